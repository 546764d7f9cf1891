// The few names of glibc that Debian's C++ library and libraries of netfilter want and musl does
// not have. It is preloaded, so that a program for musl can use these libraries here. Alpine has
// its own ones.
#include <fcntl.h>
#include <locale.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

// libstdc++
char __libc_single_threaded = 0;

// Destructors of variables of threads do not run: no test counts on it.
int __cxa_thread_atexit_impl(void (*run)(void *), void *object, void *library) {
  (void)run;
  (void)object;
  (void)library;
  return 0;
}

size_t __strftime_l(char *out, size_t size, const char *format, const struct tm *time,
                    locale_t locale) {
  return strftime_l(out, size, format, time, locale);
}

unsigned arc4random(void) {
  unsigned value = 0;
  return getrandom(&value, sizeof value, 0) == sizeof value ? value : 0;
}

// libgcc
int _dl_find_object(void *address, void *result) {
  (void)address;
  (void)result;
  return -1;  // not found: it then asks dl_iterate_phdr
}

int __cpu_indicator_init(void) { return 0; }

struct {
  unsigned words[4];
} __cpu_model;

// Libraries that are built with _FORTIFY_SOURCE and large files
int __fprintf_chk(FILE *file, int flag, const char *format, ...) {
  (void)flag;
  va_list rest;
  va_start(rest, format);
  const int length = vfprintf(file, format, rest);
  va_end(rest);
  return length;
}

int __printf_chk(int flag, const char *format, ...) {
  (void)flag;
  va_list rest;
  va_start(rest, format);
  const int length = vprintf(format, rest);
  va_end(rest);
  return length;
}

int __snprintf_chk(char *out, size_t size, int flag, size_t room, const char *format, ...) {
  (void)flag;
  (void)room;
  va_list rest;
  va_start(rest, format);
  const int length = vsnprintf(out, size, format, rest);
  va_end(rest);
  return length;
}

char *__strcpy_chk(char *out, const char *text, size_t room) {
  (void)room;
  return strcpy(out, text);
}

int fcntl64(int fd, int command, ...) {
  va_list rest;
  va_start(rest, command);
  void *const argument = va_arg(rest, void *);
  va_end(rest);
  return fcntl(fd, command, argument);
}
