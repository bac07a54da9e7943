#define _GNU_SOURCE
#include "CTsqShims.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

long tsq_getrandom(void *bytes, size_t count) { return getrandom(bytes, count, 0); }

void tsq_name_thread(const char *name) {
  char cut[16];
  strncpy(cut, name, sizeof cut - 1);
  cut[sizeof cut - 1] = 0;
  pthread_setname_np(pthread_self(), cut);
}

// As the kernel has it (linux/sched/types.h), which glibc does not declare.
struct tsq_sched_attr {
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime, deadline, period;
};

// On Linux the priority is the thread's own. A thread that asks for a long slice (kernels from 6.12 on; older ones
// ignore it) is preempted by whoever wakes up with a shorter one, where else a whole slice would pass first.
void tsq_yield_to_others(void) {
  struct tsq_sched_attr attributes = {
      .size = sizeof attributes, .policy = SCHED_BATCH, .nice = 15, .runtime = 50 * 1000 * 1000};
  if (syscall(SYS_sched_setattr, 0, &attributes, 0) != 0) setpriority(PRIO_PROCESS, 0, 15);
}

void tsq_start_writeback(int descriptor, int64_t offset, int64_t count) {
  sync_file_range(descriptor, offset, count, SYNC_FILE_RANGE_WRITE);
}
