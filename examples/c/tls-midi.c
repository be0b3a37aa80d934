/* MIDI through TLS. OpenSSL encrypts, and midisock_adopt makes a port of the plain end:
 *
 *     port  <- socketpair ->  thread, OpenSSL  <- TCP ->  the other program
 *
 *     tls-midi server PORT CERTIFICATE KEY      sends back what comes, to one client after the other
 *     tls-midi client HOST PORT CERTIFICATE N   sends N messages, and checks that they come back
 *
 * It is linked with -lssl -lcrypto -lpthread.
 */
#define _POSIX_C_SOURCE 200809L
#include <midisock/midisock.h>

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A port behind TLS. */
struct tls_port {
    midisock_port *port;
    SSL *tls;
    int plain; /* the thread's end of the socketpair */
    pthread_t thread;
};

/* One direction: bytes that were taken from one side, and not all given to the other yet. */
struct flow {
    unsigned char bytes[16384];
    size_t start, end;
    int ended, end_passed_on;
};

/* The events of the TCP socket that an operation of OpenSSL waits for; -1: the connection is over. */
static int waits_for(SSL *tls, int outcome)
{
    switch (SSL_get_error(tls, outcome)) {
    case SSL_ERROR_WANT_READ: return POLLIN;
    case SSL_ERROR_WANT_WRITE: return POLLOUT;
    default: return -1;
    }
}

/* From the port to the network. Sets the events that it waits for on the two sockets. Returns -1 when it is over. */
static int carry_out(struct tls_port *own, struct flow *out, struct pollfd waits[2])
{
    while (!out->end_passed_on) {
        int event;
        if (out->start == out->end && !out->ended) {
            ssize_t count = recv(own->plain, out->bytes, sizeof out->bytes, MSG_DONTWAIT);
            if (count < 0) {
                waits[0].events |= POLLIN;
                return errno == EAGAIN ? 0 : -1;
            }
            out->start = 0;
            out->end = (size_t)count;
            out->ended = count == 0;
        } else if (out->start < out->end) {
            int count = SSL_write(own->tls, out->bytes + out->start, (int)(out->end - out->start));
            if (count > 0) {
                out->start += (size_t)count;
                continue;
            }
            event = waits_for(own->tls, count);
            if (event >= 0)
                waits[1].events |= (short)event;
            return event < 0 ? -1 : 0;
        } else {
            /* The port has ended: the other program learns it in good order. */
            int outcome = SSL_shutdown(own->tls);
            event = outcome < 0 ? waits_for(own->tls, outcome) : 0;
            waits[1].events |= (short)(event > 0 ? event : 0);
            if (event != 0)
                return event < 0 ? -1 : 0;
            out->end_passed_on = 1;
        }
    }
    return 0;
}

/* From the network to the port. */
static int carry_in(struct tls_port *own, struct flow *in, struct pollfd waits[2])
{
    while (!in->end_passed_on) {
        if (in->start == in->end && !in->ended) {
            int event, count = SSL_read(own->tls, in->bytes, sizeof in->bytes);
            in->start = 0;
            in->end = count > 0 ? (size_t)count : 0;
            if (count > 0)
                continue;
            if (SSL_get_error(own->tls, count) == SSL_ERROR_ZERO_RETURN) {
                in->ended = 1;
                continue;
            }
            event = waits_for(own->tls, count);
            if (event >= 0)
                waits[1].events |= (short)event;
            return event < 0 ? -1 : 0;
        } else if (in->start < in->end) {
            ssize_t count = send(own->plain, in->bytes + in->start, in->end - in->start, MSG_DONTWAIT | MSG_NOSIGNAL);
            if (count < 0) {
                waits[0].events |= POLLOUT;
                return errno == EAGAIN ? 0 : -1;
            }
            in->start += (size_t)count;
        } else {
            shutdown(own->plain, SHUT_WR);
            in->end_passed_on = 1;
        }
    }
    return 0;
}

/* The thread: it carries bytes both ways until both have ended, or the connection breaks. */
static void *carry(void *argument)
{
    struct tls_port *own = argument;
    struct flow *flows = calloc(2, sizeof *flows);
    while (flows != NULL && !(flows[0].end_passed_on && flows[1].end_passed_on)) {
        struct pollfd waits[2] = {{-1, 0, 0}, {-1, 0, 0}};
        if (carry_out(own, &flows[0], waits) < 0 || carry_in(own, &flows[1], waits) < 0)
            break;
        /* poll reports the end of a socket even without events, again and again. So it gets no such socket. */
        waits[0].fd = waits[0].events != 0 ? own->plain : -1;
        waits[1].fd = waits[1].events != 0 ? SSL_get_fd(own->tls) : -1;
        if (waits[0].events != 0 || waits[1].events != 0)
            poll(waits, 2, -1);
    }
    free(flows);
    close(own->plain); /* the port sees the end */
    return NULL;
}

/* Makes a port of a TLS connection whose handshake is over. */
static midisock_result tls_adopt(SSL *tls, const midisock_config *config, struct tls_port *out)
{
    int ends[2], tcp = SSL_get_fd(tls);
    midisock_result result;
    SSL_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (fcntl(tcp, F_SETFL, fcntl(tcp, F_GETFL) | O_NONBLOCK) != 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        return MIDISOCK_ERR_NO_RESOURCES;
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    out->tls = tls;
    out->plain = ends[1];
    result = midisock_adopt(ends[0], config, &out->port);
    if (result != MIDISOCK_OK) {
        close(ends[0]); /* it is still ours */
        close(ends[1]);
    } else if (pthread_create(&out->thread, NULL, carry, out) != 0) {
        midisock_close(out->port);
        close(ends[1]);
        result = MIDISOCK_ERR_NO_RESOURCES;
    }
    return result;
}

/* Messages that were pushed are still sent. */
static void tls_close(struct tls_port *own)
{
    midisock_close(own->port);
    pthread_join(own->thread, NULL);
    close(SSL_get_fd(own->tls));
    SSL_free(own->tls);
}

static int fails(const char *what)
{
    fprintf(stderr, "tls-midi: %s\n", what);
    ERR_print_errors_fp(stderr);
    return 1;
}

static void push(midisock_port *port, const uint8_t *data, uint32_t size)
{
    while (midisock_push(port, data, size) == MIDISOCK_ERR_FULL)
        midisock_wait(port, MIDISOCK_WAIT_ROOM, -1);
}

static void send_back(midisock_port *port)
{
    midisock_message message;
    while (midisock_wait(port, MIDISOCK_WAIT_MESSAGE, -1) == MIDISOCK_OK)
        while (midisock_pop(port, &message) == MIDISOCK_OK)
            push(port, message.data, message.size);
}

static int serve(const char *port, const char *certificate, const char *key)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    struct sockaddr_in at;
    socklen_t size = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (context == NULL || SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        return fails("no usable certificate");
    memset(&at, 0, sizeof at);
    at.sin_family = AF_INET;
    at.sin_port = htons((uint16_t)atoi(port));
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) != 0 || listen(listener, 8) != 0 ||
        getsockname(listener, (struct sockaddr *)&at, &size) != 0)
        return fails("cannot listen");
    printf("listening on port %u\n", (unsigned)ntohs(at.sin_port));
    fflush(stdout);
    for (;;) {
        struct tls_port own;
        int tcp = accept(listener, NULL, NULL);
        SSL *tls = SSL_new(context);
        if (tcp >= 0 && tls != NULL && SSL_set_fd(tls, tcp) == 1 && SSL_accept(tls) == 1 &&
            tls_adopt(tls, NULL, &own) == MIDISOCK_OK) {
            send_back(own.port);
            tls_close(&own);
        } else {
            fails("a client was turned away");
            close(tcp);
            SSL_free(tls);
        }
    }
}

static int connect_to(const char *host, const char *port)
{
    struct addrinfo hints, *found, *one;
    int tcp = -1;
    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    if (getaddrinfo(host, port, &hints, &found) != 0)
        return -1;
    for (one = found; one != NULL && tcp < 0; one = one->ai_next) {
        tcp = socket(one->ai_family, one->ai_socktype, one->ai_protocol);
        if (tcp >= 0 && connect(tcp, one->ai_addr, one->ai_addrlen) != 0) {
            close(tcp);
            tcp = -1;
        }
    }
    freeaddrinfo(found);
    return tcp;
}

/* A SysEx with a number. */
static void number(uint8_t data[8], unsigned i)
{
    const uint8_t made[8] = {0xf0, 0x7d, i >> 14 & 127, i >> 7 & 127, i & 127, 1, 2, 0xf7};
    memcpy(data, made, sizeof made);
}

static int exchange(midisock_port *port, unsigned count)
{
    unsigned sent = 0, received = 0;
    uint8_t data[8];
    midisock_message message;
    while (received < count) {
        number(data, sent);
        if (sent < count && midisock_push(port, data, sizeof data) == MIDISOCK_OK)
            sent++;
        else if (midisock_wait(port, MIDISOCK_WAIT_MESSAGE, 20000) != MIDISOCK_OK)
            return fails("the messages do not come back");
        while (midisock_pop(port, &message) == MIDISOCK_OK) {
            number(data, received++);
            if (message.size != sizeof data || memcmp(message.data, data, sizeof data) != 0)
                return fails("another message came back");
        }
    }
    printf("%u messages there and back\n", count);
    return 0;
}

static int play(const char *host, const char *port, const char *certificate, const char *count)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    struct tls_port own;
    int status, tcp = connect_to(host, port);
    SSL *tls;
    if (tcp < 0)
        return fails("cannot connect");
    if (context == NULL || SSL_CTX_load_verify_locations(context, certificate, NULL) != 1)
        return fails("no usable certificate");
    /* Without these two anybody could answer. */
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    tls = SSL_new(context);
    if (tls == NULL || SSL_set1_host(tls, host) != 1 || SSL_set_fd(tls, tcp) != 1 || SSL_connect(tls) != 1)
        return fails("no TLS");
    if (tls_adopt(tls, NULL, &own) != MIDISOCK_OK)
        return fails("no port");
    status = exchange(own.port, (unsigned)atoi(count));
    tls_close(&own);
    SSL_CTX_free(context);
    return status;
}

int main(int argc, char **argv)
{
    /* OpenSSL writes to sockets whose other end may have gone. */
    signal(SIGPIPE, SIG_IGN);
    if (argc == 5 && strcmp(argv[1], "server") == 0)
        return serve(argv[2], argv[3], argv[4]);
    if (argc == 6 && strcmp(argv[1], "client") == 0)
        return play(argv[2], argv[3], argv[4], argv[5]);
    return fails("server PORT CERTIFICATE KEY, or client HOST PORT CERTIFICATE N");
}
