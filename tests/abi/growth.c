/* A caller built with a header older or newer than the library. The suite abi makes such headers from the present one.
 * OLDER lacks the last fields of the config and of the counters; NEWER has additional ones. */
#include <midisock/midisock.h>
#include <stdio.h>
#include <string.h>

#define DEADLINE_MS 20000
#define CHECK(condition)                                                          \
    do {                                                                          \
        if (!(condition)) {                                                       \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            return 1;                                                             \
        }                                                                         \
    } while (0)
#define OK(call)                                                                              \
    do {                                                                                      \
        midisock_result result_ = (call);                                                     \
        if (result_ != MIDISOCK_OK) {                                                         \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, midisock_strerror(result_)); \
            return 1;                                                                         \
        }                                                                                     \
    } while (0)

/* What lies behind the caller's struct stays as it is. */
typedef struct guarded_config {
    midisock_config config;
    unsigned char guard[256];
} guarded_config;
typedef struct guarded_stats {
    midisock_stats stats;
    unsigned char guard[256];
} guarded_stats;

static int all(const unsigned char *bytes, size_t size, unsigned char value)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != value)
            return 0;
    return 1;
}

int main(void)
{
    guarded_config c;
    guarded_stats s;
    midisock_port *server = NULL, *client = NULL;
    midisock_message message;
    static const uint8_t note_on[] = {0x90, 60, 100};

    memset(&c, 0xa5, sizeof c);
    midisock_config_init(&c.config, sizeof c.config);
    CHECK(c.config.struct_size == sizeof c.config && all(c.guard, sizeof c.guard, 0xa5));
    CHECK(c.config.in_queue_bytes == 65536 && c.config.release_on_close == 1);
    c.config.max_clients = 1;

    OK(midisock_listen("127.0.0.1", 0, &c.config, &server));
    OK(midisock_connect("127.0.0.1", midisock_local_port(server), &c.config, &client));
    OK(midisock_wait_connected(client, DEADLINE_MS));
    OK(midisock_push(client, note_on, sizeof note_on));
    OK(midisock_wait(server, MIDISOCK_WAIT_MESSAGE, DEADLINE_MS));
    OK(midisock_pop(server, &message));
    CHECK(message.size == sizeof note_on && memcmp(message.data, note_on, sizeof note_on) == 0);

    memset(&s, 0xa5, sizeof s);
    OK(midisock_get_stats(server, &s.stats, sizeof s.stats));
    CHECK(s.stats.messages_in == 1 && s.stats.bytes_in == 3 && all(s.guard, sizeof s.guard, 0xa5));

    midisock_block block;
    memset(&block, 0, sizeof block);
    block.struct_size = sizeof block;
    block.sample_rate = 48000.0;
    block.frames = 64;
    OK(midisock_begin_block(server, &block));

#if defined(NEWER)
    /* What the library does not know is told as nothing, and may be asked for as nothing only. */
    CHECK(c.config.future_number == 0 && c.config.future_pointer == NULL);
    CHECK(s.stats.future_count == 0);
    midisock_port *out = NULL;
    midisock_config wanting = c.config;
    wanting.future_number = 1;
    CHECK(midisock_listen("127.0.0.1", 0, &wanting, &out) == MIDISOCK_ERR_INVALID_ARGUMENT && out == NULL);
    wanting.future_number = 0;
    wanting.future_pointer = "asked for";
    CHECK(midisock_listen("127.0.0.1", 0, &wanting, &out) == MIDISOCK_ERR_INVALID_ARGUMENT && out == NULL);
    /* It may also say that it uses the old part only. */
    midisock_config_init(&c.config, offsetof(midisock_config, future_number));
    CHECK(c.config.struct_size == offsetof(midisock_config, future_number));
    c.config.future_number = 1; /* beyond what it says: not looked at */
    OK(midisock_listen("127.0.0.1", 0, &c.config, &out));
    midisock_close(out);
#elif defined(OLDER)
    /* The block of version 0.1, whatever has been added since; less than that never was one. */
    block.struct_size = 32;
    OK(midisock_begin_block(server, &block));
    block.struct_size = 31;
    CHECK(midisock_begin_block(server, &block) == MIDISOCK_ERR_INVALID_ARGUMENT);
#else
#error "OLDER or NEWER"
#endif

    midisock_close(client);
    midisock_close(server);
    return puts("ok") < 0;
}
