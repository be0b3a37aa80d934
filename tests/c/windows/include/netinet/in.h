#include "../../posix.h"
