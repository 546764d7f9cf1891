// Between the two halves of the preloaded object: rare moments by files (shim.c), and the faults
// and the calls that both look into (faults.c).
#pragma once

#include <stdbool.h>

// Called before each recvmsg() of the process.
void shim_gate(void);
// Whether the file that the environment variable names is there.
bool shim_asked(const char *variable);
