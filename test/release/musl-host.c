// Loads an addon as Node does, with a program that has the names of Node-API and nothing behind
// them: the dynamic linker of the C library must find every name that the addon needs. The names
// are in musl-host.h, which the test makes.
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#define NAME(name) \
  void name(void) { abort(); }
#include "musl-host.h"

int main(int argc, char **argv) {
  void *addon = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
  if (addon == NULL) {
    fprintf(stderr, "%s\n", argc > 1 ? dlerror() : "which addon?");
    return 1;
  }
  puts(dlsym(addon, "napi_register_module_v1") != NULL ? "loaded" : "no entry");
  return 0;
}
