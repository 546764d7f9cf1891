// Rare moments that files choose (shim.c), for the calls in fault-calls.c and fault-answers.c.
#pragma once

#include <stdbool.h>

// Called before each recvmsg() of the process.
void shim_gate(void);
// Whether the file that the environment variable names exists.
bool shim_asked(const char *variable);
