#define _GNU_SOURCE
#include "CTsqShims.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>

long tsq_getrandom(void *bytes, size_t count) { return getrandom(bytes, count, 0); }

void tsq_name_thread(const char *name) {
  char cut[16];
  strncpy(cut, name, sizeof cut - 1);
  cut[sizeof cut - 1] = 0;
  pthread_setname_np(pthread_self(), cut);
}

// On Linux the priority is the thread's own.
void tsq_yield_to_others(void) { setpriority(PRIO_PROCESS, 0, 5); }

void tsq_start_writeback(int descriptor, int64_t offset, int64_t count) {
  sync_file_range(descriptor, offset, count, SYNC_FILE_RANGE_WRITE);
}
