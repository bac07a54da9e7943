// Tells the thread sanitizer of a contended `Synchronization.Mutex`: its slow paths lie in a library that is
// not instrumented, so that a lock handed over there looks like a race. Preloaded by Scripts/sanitize.
#define _GNU_SOURCE
#include <dlfcn.h>

#ifndef __x86_64__
#error "the registers below are those of x86-64"
#endif

#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

static void nothing(void *mutex) { (void)mutex; }
__attribute__((used)) static void (*real_lock)(void), (*real_unlock)(void);
__attribute__((used)) static void (*acquire)(void *) = nothing, (*release)(void *) = nothing;

__attribute__((constructor)) static void begin(void) {
  real_lock = (void (*)(void))dlsym(RTLD_NEXT, LOCK);
  real_unlock = (void (*)(void))dlsym(RTLD_NEXT, UNLOCK);
  // Only a sanitized program has these.
  void (*found)(void *) = (void (*)(void *))dlsym(RTLD_DEFAULT, "__tsan_acquire");
  if (found) acquire = found;
  if ((found = (void (*)(void *))dlsym(RTLD_DEFAULT, "__tsan_release"))) release = found;
}

// Swift passes `self`, the address of the lock's word, in r13.
__attribute__((naked)) void lock_slow(void) __asm__(LOCK);
void lock_slow(void) { __asm__("push %r13; call *real_lock(%rip); pop %rdi; jmp *acquire(%rip)"); }

__attribute__((naked)) void unlock_slow(void) __asm__(UNLOCK);
void unlock_slow(void) { __asm__("push %r13; mov %r13, %rdi; call *release(%rip); pop %r13; jmp *real_unlock(%rip)"); }
