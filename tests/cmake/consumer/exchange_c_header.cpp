// The C header in C++11 and later, by the same program.
#include "exchange.c"
