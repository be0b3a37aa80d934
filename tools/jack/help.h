/* The text of midisock-jack --help. */
#ifndef MIDISOCK_TOOLS_JACK_HELP_H
#define MIDISOCK_TOOLS_JACK_HELP_H

extern const char jack_help[];

#endif
