#ifndef CTSQ_SHIMS_H
#define CTSQ_SHIMS_H

#include <stddef.h>
#include <stdint.h>

/// Continues a CRC-32C (Castagnoli, reflected, as RFC 3720) over `count` bytes. Start with 0.
/// Uses the SSE4.2 instruction where the processor has it.
uint32_t tsq_crc32c(uint32_t crc, const void *_Nullable bytes, size_t count);

/// The same by tables alone, on any processor.
uint32_t tsq_crc32c_portable(uint32_t crc, const void *_Nullable bytes, size_t count);

/// Continues SHA-256 over `blocks` whole blocks of 64 bytes. Uses the SHA extensions where the
/// processor has them.
void tsq_sha256(uint32_t *_Nonnull state, const void *_Nullable bytes, size_t blocks);

/// The same by plain arithmetic, on any processor.
void tsq_sha256_portable(uint32_t *_Nonnull state, const void *_Nullable bytes, size_t blocks);

/// getrandom, which Swift's Glibc does not export: bytes written, or -1 with errno.
long tsq_getrandom(void *_Nonnull bytes, size_t count);

/// Names the calling thread, for top and debuggers; the kernel keeps 15 bytes.
void tsq_name_thread(const char *_Nonnull name);

/// Lets others go before the calling thread: nice 15, some 3 % of a processor that a thread which did not wants whole,
/// and preempted at once by those that wake up.
void tsq_yield_to_others(void);

/// sync_file_range with SYNC_FILE_RANGE_WRITE alone: starts writing back, waits for nothing and
/// leaves errors to the next sync.
void tsq_start_writeback(int descriptor, int64_t offset, int64_t count);

#endif
