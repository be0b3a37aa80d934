/* FluidSynth: its library does not export its parser, so the bytes go through its OSS driver, for which a FIFO is as good
 * as a device. The argument is the FIFO's path. A stream has only messages of three bytes, and ends with a message of
 * controller 127, by which the program knows that it is over. */
#define _POSIX_C_SOURCE 200809L
#include "streams.h"

#include <errno.h>
#include <fcntl.h>
#include <fluidsynth.h>
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Far more than a stream takes. */
enum { SECONDS = 30 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int over;
static int printed;

static int take(void *data, fluid_midi_event_t *event)
{
    unsigned char message[3];
    int type = fluid_midi_event_get_type(event);
    (void)data;
    message[0] = (unsigned char)(type < 0xf0 ? type | fluid_midi_event_get_channel(event) : type);
    message[1] = (unsigned char)fluid_midi_event_get_key(event);
    message[2] = (unsigned char)fluid_midi_event_get_velocity(event);
    pthread_mutex_lock(&lock);
    print_message(message, 3, &printed);
    if (message[0] == 0xb0 && message[1] == 127) {
        over = 1;
        pthread_cond_signal(&changed);
    }
    pthread_mutex_unlock(&lock);
    return FLUID_OK;
}

/* Whether the end of the stream came. */
static int wait_for_end(void)
{
    struct timespec deadline;
    int came;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += SECONDS;
    pthread_mutex_lock(&lock);
    while (!over && pthread_cond_timedwait(&changed, &lock, &deadline) != ETIMEDOUT) {
    }
    came = over;
    over = 0;
    printed = 0;
    pthread_mutex_unlock(&lock);
    return came;
}

int main(int count, char **arguments)
{
    unsigned char bytes[MOST_BYTES];
    fluid_settings_t *settings = new_fluid_settings();
    int fifo, length;
    if (count != 2 || settings == NULL || (mkfifo(arguments[1], 0600) != 0 && errno != EEXIST))
        return 1;
    /* For reading too, so that the driver, which opens it for reading, never sees an end. */
    fifo = open(arguments[1], O_RDWR);
    if (fifo < 0 || fluid_settings_setstr(settings, "midi.driver", "oss") != FLUID_OK
        || fluid_settings_setstr(settings, "midi.oss.device", arguments[1]) != FLUID_OK)
        return 1;
    while ((length = next_stream(bytes)) >= 0) {
        fluid_midi_driver_t *driver = new_fluid_midi_driver(settings, take, NULL);
        if (driver == NULL || write(fifo, bytes, (size_t)length) != length || !wait_for_end())
            return 1;
        delete_fluid_midi_driver(driver);
        printf("\n");
    }
    delete_fluid_settings(settings);
    return 0;
}
