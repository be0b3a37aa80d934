/* Sender time on the wire, with raw peers: what is sent to whom, and what hostile frames do. */
#define _POSIX_C_SOURCE 200809L
#include "frames.h"
#include "link.h"
#include "raw.h"
#include "receiver.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define MS UINT64_C(1000000)
#define SEPTETS28 ((UINT64_C(1) << 28) - 1)
/* A day ahead, so that nothing rests on one clock. */
#define DAY_US UINT64_C(86400000000)

static midisock_config asking(const char *name)
{
    midisock_config c = check_config();
    c.timing = MIDISOCK_TIMING_SENDER;
    c.name = name;
    return c;
}

static midisock_port *adopt(const midisock_config *c, int *fd)
{
    int fds[2];
    midisock_port *port = NULL;
    CHECK_INT(0, socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
    CHECK_OK(midisock_adopt(fds[0], c, &port));
    *fd = fds[1];
    return port;
}

static void play_plainly(midisock_port *port, int fd)
{
    CHECK_OK(midisock_push(port, BYTES(0x90, 60, 1)));
    CHECK_OK(midisock_set_name(port, "organ"));
    CHECK_OK(midisock_push(port, BYTES(0x80, 60, 0)));
    CHECK_OK(midisock_push(port, BYTES(0xf8)));
    RAW_EXPECT(fd, 0x90, 60, 1, 0x80, 60, 0, 0xf8);
    RAW_SEND(fd, 0x91, 61, 1, 61, 0);
    CHECK_INT(0, EXPECT(port, 0x91, 61, 1).flags);
    CHECK_INT(0, EXPECT(port, 0x91, 61, 0).flags);
    CHECK_INT(0, check_stats(port).timed_in + check_stats(port).clock_error_ns);
    CHECK_OK(midisock_shutdown(port));
    RAW_EXPECT_END(fd);
}

static void nothing_but_midi_unless_one_asked(void)
{
    for (int role = 0; role < ROLES; role++) {
        /* A server never asks, whatever its config. */
        midisock_config c = asking("stage");
        if (role == ROLE_CLIENT)
            c.timing = MIDISOCK_TIMING_ARRIVAL;
        link l = make_link(role, c, 0);
        play_plainly(l.port, l.fd);
        end_link(l);
    }
    midisock_config c = check_config();
    int fd;
    midisock_port *port = adopt(&c, &fd);
    play_plainly(port, fd);
    midisock_close(port);
    raw_close(fd);
}

/* The peer sees one hello, first, and from then on plain MIDI. */
static void a_plain_peer_is_served_as_ever(void)
{
    midisock_config c = asking("B\xc3\xbchne");
    link l = make_link(ROLE_CLIENT, c, 0);
    piece hello = frame_read(l.fd);
    HELLO_CHECK(&hello, 0, hello_token(&hello), "B\xc3\xbchne");
    play_plainly(l.port, l.fd);
    end_link(l);
    int fd;
    c.name = NULL;
    midisock_port *port = adopt(&c, &fd);
    hello = frame_read(fd);
    HELLO_CHECK(&hello, 0, hello_token(&hello), "");
    play_plainly(port, fd);
    midisock_close(port);
    raw_close(fd);
}

/* Each new connection gets a hello, and then what puts the peer right. */
static void a_hello_comes_first_on_each_connection(void)
{
    midisock_config c = asking("x");
    c.reconnect_min_ms = c.reconnect_max_ms = 1;
    link l = make_link(ROLE_CLIENT, c, 0);
    uint64_t tokens[3];
    for (int i = 0; i < 3; i++) {
        piece hello = frame_read(l.fd);
        tokens[i] = hello_token(&hello);
        HELLO_CHECK(&hello, 0, tokens[i], "x");
        raw_close(l.fd);
        l.fd = raw_accept(l.listener);
    }
    CHECK(tokens[0] != tokens[1] || tokens[1] != tokens[2]);
    end_link(l);
}

/* What a port with these settings does when a raw peer says hello. */
static void answered(midisock_port *port, int fd, const char *name)
{
    partner p = {fd, DAY_US, 0};
    const uint64_t token = UINT64_C(0x712345678);
    RAW_SEND(fd, 0x90, 50, 1);
    EXPECT(port, 0x90, 50, 1);
    frame_send(fd, frame_hello(0, token, "keys"));
    piece hello = frame_read(fd);
    HELLO_CHECK(&hello, 1, token, name);
    /* From then on, messages have stamps: the time of the push. */
    for (uint8_t i = 0; i < 20; i++) {
        int64_t us;
        uint64_t before = midisock_now_ns() / 1000;
        CHECK_OK(midisock_push(port, BYTES(0xb0, 7, i)));
        uint64_t after = midisock_now_ns() / 1000;
        piece message = partner_message(&p, &us);
        CHECK_MEMORY(((const uint8_t[]){0xb0, 7, i}), 3, message.data, message.size);
        CHECK(us >= 0);
        CHECK((((uint64_t)us - before) & SEPTETS28) <= after - before);
    }
    /* A second hello is ignored: what comes after it is answered first. */
    frame_send(fd, frame_hello(0, token + 1, "other"));
    frame_send(fd, frame_hello(0, token, "keys"));
    frame_send(fd, frame_ping(77, partner_us(&p)));
    piece next;
    do {
        next = frame_read(fd);
        CHECK(frame_kind(&next) == PING || frame_kind(&next) == PONG);
    } while (frame_kind(&next) != PONG);
    CHECK_INT(77, next.data[2]);
    uint64_t received = frame_number(&next, 3, 5), sent = frame_number(&next, 8, 5);
    CHECK(((sent - received) & ((UINT64_C(1) << 35) - 1)) <= DEADLINE_MS * 1000);
    CHECK_INT(0, check_stats(port).invalid_bytes);
}

static void every_kind_of_port_answers_one_hello(void)
{
    for (int role = 0; role < ROLES; role++) {
        midisock_config c = check_config();
        c.name = "stage";
        link l = make_link(role, c, 0);
        answered(l.port, l.fd, "stage");
        end_link(l);
    }
    midisock_config c = check_config();
    int fd;
    midisock_port *port = adopt(&c, &fd);
    answered(port, fd, "");
    midisock_close(port);
    raw_close(fd);
}

static void an_echo_of_the_own_hello_is_none(void)
{
    link l = make_link(ROLE_CLIENT, asking("keys"), 0);
    piece hello = frame_read(l.fd);
    /* A thru sends everything back. */
    frame_send(l.fd, hello);
    CHECK_OK(midisock_push(l.port, BYTES(0x90, 60, 1)));
    RAW_EXPECT(l.fd, 0x90, 60, 1);
    RAW_SEND(l.fd, 0x90, 60, 1);
    CHECK_INT(0, EXPECT(l.port, 0x90, 60, 1).flags);
    CHECK_INT(hello.size, check_stats(l.port).invalid_bytes);
    /* Nor is the answer to another hello. */
    piece other = frame_hello(1, hello_token(&hello) ^ 1, "thief");
    frame_send(l.fd, other);
    frame_send(l.fd, frame_ping(1, 1));
    CHECK_OK(midisock_push(l.port, BYTES(0x80, 60, 0)));
    RAW_EXPECT(l.fd, 0x80, 60, 0);
    RAW_SEND(l.fd, 0x80, 60, 0);
    CHECK_INT(0, EXPECT(l.port, 0x80, 60, 0).flags);
    CHECK_INT(hello.size + other.size + 8, check_stats(l.port).invalid_bytes);
    CHECK_OK(midisock_push(l.port, BYTES(0xf6)));
    RAW_EXPECT(l.fd, 0xf6);
    char name[64];
    CHECK_OK(midisock_peer_name(l.port, name, sizeof name));
    CHECK_TEXT("", name);
    /* The true answer still counts. */
    frame_send(l.fd, frame_hello(1, hello_token(&hello), "stage"));
    partner p = {l.fd, DAY_US, 0};
    partner_lock(&p, l.port);
    CHECK_OK(midisock_peer_name(l.port, name, sizeof name));
    CHECK_TEXT("stage", name);
    CHECK(p.pings >= 1);
    end_link(l);
}

static void of_a_flood_of_pings_few_are_answered(void)
{
    midisock_config c = check_config();
    link l = make_link(ROLE_MERGED, c, 0);
    frame_send(l.fd, frame_hello(0, 5, ""));
    piece hello = frame_read(l.fd);
    HELLO_CHECK(&hello, 1, 5, "");
    unsigned sent = 0, pongs = 0;
    uint64_t begin = check_now_ms();
    while (check_now_ms() < begin + 2500) {
        for (int i = 0; i < 50; i++)
            frame_send(l.fd, frame_ping((uint8_t)sent++, midisock_now_ns() / 1000));
        while (raw_readable(l.fd, 1)) {
            piece next = frame_read(l.fd);
            CHECK(frame_kind(&next) == PING || frame_kind(&next) == PONG);
            pongs += frame_kind(&next) == PONG;
        }
    }
    /* The note is behind all of them, and is answered by none. */
    RAW_SEND(l.fd, 0x90, 60, 1);
    EXPECT(l.port, 0x90, 60, 1);
    uint64_t seconds = (check_now_ms() - begin) / 1000 + 1;
    printf("# %u pings, %u answers\n", sent, pongs);
    CHECK(pongs >= 1);
    CHECK(pongs <= 20 * seconds);
    CHECK_INT(0, check_stats(l.port).invalid_bytes);
    end_link(l);
}

/* Sends a stamp this far from the partner's now, and a note. How it was popped. */
static midisock_message stamped(partner *p, midisock_port *port, int64_t ahead_us, uint64_t *now_us, uint8_t key)
{
    partner_answer(p);
    *now_us = partner_us(p);
    frame_send(p->fd, frame_stamp(*now_us + (uint64_t)ahead_us));
    RAW_SEND(p->fd, 0x90, key, 1, 0x80, key, 0);
    midisock_message on = EXPECT(port, 0x90, key, 1);
    EXPECT(port, 0x80, key, 0);
    return on;
}

static void absurd_stamps_are_not_believed(void)
{
    midisock_config c = check_config();
    link l = make_link(ROLE_MERGED, c, 0);
    partner p = {l.fd, DAY_US, 0};
    frame_send(l.fd, frame_hello(0, 5, ""));
    partner_lock(&p, l.port);
    uint64_t us;
    static const int64_t absurd[] = {5000000, 100000000, -3000000, -100000000};
    for (uint8_t i = 0; i < 40; i++) {
        /* A true one, some milliseconds ago. Ten that are not believed in succession would lose the clock. */
        midisock_message m = stamped(&p, l.port, -3000, &us, i);
        uint64_t meant_ns = (us - DAY_US - 3000) * 1000;
        if (m.flags == MIDISOCK_FLAG_TIMED) {
            uint64_t off = m.time_ns > meant_ns ? m.time_ns - meant_ns : meant_ns - m.time_ns;
            CHECK(off <= check_stats(l.port).clock_error_ns + 1000);
        } else {
            CHECK(m.time_ns > meant_ns + 1900 * MS); /* the machine stood still */
        }
        for (int n = 0; n < 4; n++) {
            uint64_t before = midisock_now_ns();
            m = stamped(&p, l.port, absurd[n], &us, 60);
            CHECK_INT(0, m.flags);
            CHECK(before <= m.time_ns && m.time_ns <= midisock_now_ns());
        }
    }
    /* Ten lose the clock, and it is found anew. */
    for (int n = 0; n < 10; n++)
        CHECK_INT(0, stamped(&p, l.port, 5000000, &us, 60).flags);
    uint64_t until = check_now_ms() + DEADLINE_MS;
    midisock_notification notification = {0};
    while (notification.kind != MIDISOCK_NOTIFY_CLOCK_LOST) {
        partner_answer(&p);
        if (midisock_poll_notification(l.port, &notification) != MIDISOCK_OK)
            check_pause();
        CHECK(check_now_ms() < until);
    }
    partner_lock(&p, l.port);
    midisock_message m = stamped(&p, l.port, -1000, &us, 61);
    CHECK(m.flags == MIDISOCK_FLAG_TIMED || m.time_ns > (us - DAY_US) * 1000 + 1900 * MS);
    CHECK_INT(0, check_stats(l.port).invalid_bytes);
    end_link(l);
}

/* A stream that ends in a frame: its bytes are invalid before a hello, and not behind one. */
static void ends_inside_a_frame(void)
{
    const piece frames[] = {frame_hello(0, 9, "name"), frame_stamp(1), frame_ping(1, 2), frame_pong(1, 2, 3),
                            frame_name("ab")};
    for (int hello = 0; hello < 2; hello++) {
        midisock_port *server = check_listen(NULL);
        uint64_t invalid = 0, messages = 0;
        for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++)
            for (size_t cut = 1; cut < frames[i].size; cut++) {
                int fd = raw_connect(midisock_local_port(server));
                RAW_SEND(fd, 0x90, 60, 1);
                if (hello)
                    frame_send(fd, frame_hello(0, 5, ""));
                raw_send(fd, frames[i].data, cut);
                raw_half_close(fd);
                EXPECT(server, 0x90, 60, 1);
                messages++;
                invalid += hello ? 0 : cut;
                if (!hello)
                    RAW_EXPECT_END(fd);
                raw_close(fd);
                CHECK_SOON(midisock_client_count(server) == 0);
            }
        CHECK_COUNT(server, invalid_bytes, invalid);
        CHECK_INT(messages, check_stats(server).messages_in);
        midisock_close(server);
    }
}

/* Frames that mean nothing yet are invalid, until a hello comes between the notes. */
static void a_hello_in_the_middle_counts(void)
{
    midisock_config c = check_config();
    link l = make_link(ROLE_ACCEPTED, c, 0);
    frame_send(l.fd, frame_stamp(1));
    frame_send(l.fd, frame_name("keys"));
    RAW_SEND(l.fd, 0x90, 60, 1, 0xf4, 5, 5);
    /* In the middle of a message: what has begun is lost, as with any status byte. */
    RAW_SEND(l.fd, 0x90, 61);
    frame_send(l.fd, frame_hello(0, 5, "x"));
    RAW_SEND(l.fd, 0x90, 62, 1, 0xf4, 5, 5, 0x90, 63, 1);
    frame_send(l.fd, frame_hello(1, 5, "x"));
    RAW_SEND(l.fd, 0xf4, 0x90, 64, 1);
    EXPECT(l.port, 0x90, 60, 1);
    EXPECT(l.port, 0x90, 62, 1);
    EXPECT(l.port, 0x90, 63, 1);
    EXPECT(l.port, 0x90, 64, 1);
    CHECK_INT(6 + 11 + 3 + 2, check_stats(l.port).invalid_bytes);
    piece hello = frame_read(l.fd);
    HELLO_CHECK(&hello, 1, 5, "");
    CHECK_INT(5, check_stats(l.port).messages_in); /* with make_link's */
    end_link(l);
}

/* Random frames and notes, in random pieces, and an end anywhere: each note ends. */
static void notes_always_end(void)
{
    uint32_t seed = song_seed(), random = seed;
    midisock_config c;
    midisock_config_init(&c, sizeof c);
    midisock_port *server = check_listen(&c);
    uint64_t notes = 0;
    for (int round = 0; round < 40; round++) {
        receiver received;
        receiver_init(&received, 0);
        uint8_t data[4096];
        size_t size = 0;
        unsigned sent = 0;
        while (size < 3500) {
            piece frame;
            switch (check_random(&random) % 8) {
            case 0: frame = frame_hello((int)(check_random(&random) % 2), check_random(&random) % 3, "n"); break;
            case 1: frame = frame_stamp(check_random(&random)); break;
            case 2: frame = frame_ping((uint8_t)check_random(&random), check_random(&random)); break;
            case 3:
                frame = frame_pong((uint8_t)(check_random(&random) % 8), check_random(&random), check_random(&random));
                break;
            case 4: frame = frame_name("other"); break;
            case 5: frame = frame_stamp(midisock_now_ns() / 1000); break;
            default: frame.size = 0; break;
            }
            /* Now and then it is cut off by the note. */
            if (frame.size > 0 && check_random(&random) % 4 == 0)
                frame.size = 1 + check_random(&random) % frame.size;
            memcpy(data + size, frame.data, frame.size);
            size += frame.size;
            uint8_t key = (uint8_t)(check_random(&random) % 128);
            const uint8_t note[] = {0x90, key, (uint8_t)(check_random(&random) % 3)};
            memcpy(data + size, note, 3);
            size += 3;
            sent++;
        }
        int fd = raw_connect(midisock_local_port(server));
        for (size_t at = 0; at < size;) {
            size_t some = 1 + check_random(&random) % 200;
            some = some < size - at ? some : size - at;
            raw_send(fd, data + at, some);
            at += some;
            if (check_random(&random) % 4 == 0)
                check_pause();
        }
        const piece last = frame_hello(0, 1, "x");
        if (round % 2)
            raw_send(fd, last.data, 1 + check_random(&random) % 10);
        raw_half_close(fd);
        unsigned got = 0;
        /* Every note that was sent, and then the releases. */
        uint64_t until = check_now_ms() + DEADLINE_MS;
        while (got < sent || receiver_held(&received) > 0) {
            midisock_message m;
            if (midisock_pop(server, &m) == MIDISOCK_OK) {
                receiver_hear(&received, m.data, m.size);
                got += !(m.flags & MIDISOCK_FLAG_SYNTHETIC);
            } else {
                check_pause();
            }
            if (check_now_ms() > until)
                check_fail(__FILE__, __LINE__, "seed %u, round %d: %u of %u notes, %d held", seed, round, got, sent,
                           receiver_held(&received));
        }
        CHECK_INT(sent, got);
        notes += got;
        raw_close(fd);
    }
    CHECK_INT(notes, check_stats(server).messages_in);
    midisock_close(server);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        CASE(nothing_but_midi_unless_one_asked),
        CASE(a_plain_peer_is_served_as_ever),
        CASE(a_hello_comes_first_on_each_connection),
        CASE(every_kind_of_port_answers_one_hello),
        CASE(an_echo_of_the_own_hello_is_none),
        CASE(of_a_flood_of_pings_few_are_answered),
        CASE(absurd_stamps_are_not_believed),
        CASE(ends_inside_a_frame),
        CASE(a_hello_in_the_middle_counts),
        CASE(notes_always_end),
    };
    return check_main(argc, argv, CASES(cases));
}
