// An addon with a bug that each sanitizer must find. It shows that the checks of the tests can
// fail.
// CANARY=use-after-free | undefined | leak | race
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static int shared;

static void *write_shared(void *data) {
  for (int i = 0; i < 1000; i++) shared += *(int *)data;
  return NULL;
}

static int is(const char *bug) {
  const char *wanted = getenv("CANARY");
  return wanted != NULL && strcmp(wanted, bug) == 0;
}

void *napi_register_module_v1(void *env, void *exports);

void *napi_register_module_v1(void *env, void *exports) {
  (void)env;
  if (is("use-after-free")) {
    volatile char *bytes = malloc(16);
    free((void *)bytes);
    bytes[3] = 1;
  }
  if (is("undefined")) {
    volatile int bits = 40;
    shared = 1 << bits;
  }
  if (is("leak")) {
    void *volatile lost = malloc(4321);
    lost = NULL;
  }
  if (is("race")) {
    pthread_t threads[2];
    int one = 1;
    for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, write_shared, &one);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  }
  return exports;
}
