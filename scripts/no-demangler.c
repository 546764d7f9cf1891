// Linked into the shipped addons in place of the C++ library's demangler. It is a tenth of such an addon, and only
// std::terminate() uses it, to print the type of an exception that nobody caught.
#include <stddef.h>

char *__cxa_demangle(const char *name, char *buffer, size_t *size, int *status) {
  (void)name, (void)buffer, (void)size;
  if (status != NULL) *status = -2;  // not a mangled name: it is printed as it is
  return NULL;
}
