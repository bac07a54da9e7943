// Faults in a real process: counts the calls that change files under a prefix, over all threads, and
// strikes at one of them. Preload it with
//   TSQ_FAULT=PREFIX:N:ACTION   ACTION: kill-before, kill-after, torn=BYTES, short=BYTES, errno=E[,sticky]
//   TSQ_COUNT=FILE              writes the number of calls there at the end
// torn writes so many bytes and kills; short writes or reads so many and says so; sticky fails all later
// calls too. Reads count only where TSQ_READS is set, and are only refused or short.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/stat.h>
#include <unistd.h>

enum action { NOTHING, KILL_BEFORE, KILL_AFTER, TORN, SHORT, ERRNO };
static atomic_long count;
static long at = -1;
static char prefix[256];
static enum action action;
static int parameter, sticky, counts_reads;

__attribute__((constructor)) static void begin(void) {
  const char *text = getenv("TSQ_FAULT");
  counts_reads = getenv("TSQ_READS") != NULL;
  char word[64];
  if (!text || sscanf(text, "%255[^:]:%ld:%63s", prefix, &at, word) != 3) return;
  if (!strncmp(word, "kill-before", 11)) action = KILL_BEFORE;
  else if (!strncmp(word, "kill-after", 10)) action = KILL_AFTER;
  else if (sscanf(word, "torn=%d", &parameter) == 1) action = TORN;
  else if (sscanf(word, "short=%d", &parameter) == 1) action = SHORT;
  else if (sscanf(word, "errno=%d", &parameter) == 1) action = ERRNO;
  sticky = strstr(word, "sticky") != NULL;
}

__attribute__((destructor)) static void end(void) {
  const char *path = getenv("TSQ_COUNT");
  FILE *file = path ? fopen(path, "w") : NULL;
  if (!file) return;
  fprintf(file, "%ld\n", (long)count);
  fclose(file);
}

static int is_ours(const char *path) { return prefix[0] && path && !strncmp(path, prefix, strlen(prefix)); }

static int is_our_file(int descriptor) {
  char link[64], path[512];
  if (!prefix[0]) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return is_ours(path);
}

static int hit(void) {
  long now = atomic_fetch_add(&count, 1) + 1;
  return now == at || (sticky && at > 0 && now > at);
}

static void die(void) {
  raise(SIGKILL);
  pause();
}

#define REAL(name) \
  static typeof(&name) real; \
  if (!real) real = (typeof(&name))dlsym(RTLD_NEXT, #name)

// A call that has no bytes: it is done or not.
#define WHOLE(ours, call) \
  do { \
    if (!(ours) || !hit()) return call; \
    if (action == KILL_BEFORE || action == TORN) die(); \
    if (action == ERRNO) { errno = parameter; return -1; } \
    typeof(call) result = call; \
    if (action == KILL_AFTER) die(); \
    return result; \
  } while (0)

#define PART(size) ((size_t)parameter < (size) ? (size_t)parameter : (size))
#define BYTES(ours, size, call, part) \
  do { \
    if (!(ours) || !hit()) return call; \
    if (action == KILL_BEFORE) die(); \
    if (action == ERRNO) { errno = parameter; return -1; } \
    if (action == SHORT || action == TORN) { \
      ssize_t result = part; \
      if (action == TORN) die(); \
      return result; \
    } \
    ssize_t result = call; \
    if (action == KILL_AFTER) die(); \
    return result; \
  } while (0)

ssize_t write(int fd, const void *bytes, size_t size) {
  REAL(write);
  BYTES(is_our_file(fd), size, real(fd, bytes, size), real(fd, bytes, PART(size)));
}
ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset) {
  REAL(pwrite64);
  BYTES(is_our_file(fd), size, real(fd, bytes, size, offset), real(fd, bytes, PART(size), offset));
}
ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset) { return pwrite64(fd, bytes, size, offset); }
// Vectors are torn in their first part.
ssize_t writev(int fd, const struct iovec *parts, int number) {
  REAL(writev);
  struct iovec first = {parts[0].iov_base, PART(parts[0].iov_len)};
  BYTES(is_our_file(fd), parts[0].iov_len, real(fd, parts, number), real(fd, &first, 1));
}
ssize_t pwritev(int fd, const struct iovec *parts, int number, off_t offset) {
  REAL(pwritev);
  struct iovec first = {parts[0].iov_base, PART(parts[0].iov_len)};
  BYTES(is_our_file(fd), parts[0].iov_len, real(fd, parts, number, offset), real(fd, &first, 1, offset));
}
ssize_t pread64(int fd, void *bytes, size_t size, off64_t offset) {
  REAL(pread64);
  BYTES(counts_reads && is_our_file(fd), size, real(fd, bytes, size, offset), real(fd, bytes, PART(size), offset));
}
ssize_t pread(int fd, void *bytes, size_t size, off_t offset) { return pread64(fd, bytes, size, offset); }
int fsync(int fd) { REAL(fsync); WHOLE(is_our_file(fd), real(fd)); }
int fdatasync(int fd) { REAL(fdatasync); WHOLE(is_our_file(fd), real(fd)); }
int sync_file_range(int fd, off64_t offset, off64_t size, unsigned flags) {
  REAL(sync_file_range);
  WHOLE(is_our_file(fd), real(fd, offset, size, flags));
}
int ftruncate64(int fd, off64_t size) { REAL(ftruncate64); WHOLE(is_our_file(fd), real(fd, size)); }
int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }
int fallocate64(int fd, int mode, off64_t offset, off64_t size) {
  REAL(fallocate64);
  WHOLE(is_our_file(fd), real(fd, mode, offset, size));
}
int fallocate(int fd, int mode, off_t offset, off_t size) { return fallocate64(fd, mode, offset, size); }
int rename(const char *from, const char *to) { REAL(rename); WHOLE(is_ours(to), real(from, to)); }
int unlink(const char *path) { REAL(unlink); WHOLE(is_ours(path), real(path)); }
int mkdir(const char *path, mode_t mode) { REAL(mkdir); WHOLE(is_ours(path), real(path, mode)); }

static mode_t mode_of(int flags, va_list rest) { return flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; }
#define OPENED(name) \
  va_list rest; \
  va_start(rest, flags); \
  mode_t mode = mode_of(flags, rest); \
  va_end(rest); \
  REAL(name)
// Only openings that may create a file change anything.
int open64(const char *path, int flags, ...) {
  OPENED(open64);
  WHOLE((flags & O_CREAT) && is_ours(path), real(path, flags, mode));
}
int open(const char *path, int flags, ...) {
  OPENED(open);
  WHOLE((flags & O_CREAT) && is_ours(path), real(path, flags, mode));
}
int openat(int folder, const char *path, int flags, ...) {
  OPENED(openat);
  WHOLE((flags & O_CREAT) && is_ours(path), real(folder, path, flags, mode));
}
