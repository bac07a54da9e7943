// CRC-32C, polynomial 0x1EDC6F41, reflected 0x82F63B78.
//
// The crc32 instruction has a latency of three cycles and a throughput of one, so a long buffer is
// cut into three lanes whose checksums run side by side and are joined afterwards: a CRC is linear
// over GF(2), hence "followed by N zero bytes" is a 32 x 32 bit matrix, kept as four tables of 256.
// Source: V. Gopal et al., "Fast CRC Computation for iSCSI Polynomial Using CRC32 Instruction",
// Intel 2011. The portable form is slicing-by-8 (Kounavis and Berry, 2005).

#include "CTsqShims.h"

#include <string.h>

#define REFLECTED_POLYNOMIAL 0x82F63B78u

static uint32_t slices[8][256];

__attribute__((constructor)) static void build_slices(void) {
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (REFLECTED_POLYNOMIAL & (0u - (crc & 1)));
    slices[0][byte] = crc;
  }
  for (int slice = 1; slice < 8; slice++) {
    for (int byte = 0; byte < 256; byte++) {
      uint32_t previous = slices[slice - 1][byte];
      slices[slice][byte] = (previous >> 8) ^ slices[0][previous & 0xFF];
    }
  }
}

uint32_t tsq_crc32c_portable(uint32_t crc, const void *bytes, size_t count) {
  const unsigned char *next = bytes;
  crc = ~crc;
  while (count >= 8) {
    // Bytes are taken one by one so that the order in memory does not depend on the processor.
    uint32_t low = crc ^ ((uint32_t)next[0] | (uint32_t)next[1] << 8 | (uint32_t)next[2] << 16 |
                          (uint32_t)next[3] << 24);
    crc = slices[7][low & 0xFF] ^ slices[6][low >> 8 & 0xFF] ^ slices[5][low >> 16 & 0xFF] ^
          slices[4][low >> 24] ^ slices[3][next[4]] ^ slices[2][next[5]] ^ slices[1][next[6]] ^
          slices[0][next[7]];
    next += 8;
    count -= 8;
  }
  while (count--) crc = (crc >> 8) ^ slices[0][(crc ^ *next++) & 0xFF];
  return ~crc;
}

#if defined(__x86_64__)

#include <nmmintrin.h>

#define SSE42 __attribute__((target("sse4.2")))

enum { LONG_LANE = 2048, SHORT_LANE = 256 };

typedef uint32_t shift_table[4][256];
static shift_table long_shift, short_shift;
static int has_crc32;

SSE42 static void build_shift(shift_table table, size_t zeros) {
  uint32_t basis[32];
  for (int bit = 0; bit < 32; bit++) {
    uint64_t crc = (uint64_t)1 << bit;
    for (size_t done = 0; done < zeros; done += 8) crc = _mm_crc32_u64(crc, 0);
    basis[bit] = (uint32_t)crc;
  }
  for (int part = 0; part < 4; part++) {
    for (int byte = 0; byte < 256; byte++) {
      uint32_t sum = 0;
      for (int bit = 0; bit < 8; bit++) {
        if (byte >> bit & 1) sum ^= basis[8 * part + bit];
      }
      table[part][byte] = sum;
    }
  }
}

__attribute__((constructor)) static void detect(void) {
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("sse4.2")) return;
  build_shift(long_shift, LONG_LANE);
  build_shift(short_shift, SHORT_LANE);
  has_crc32 = 1;
}

static inline uint32_t shift(shift_table table, uint32_t crc) {
  return table[0][crc & 0xFF] ^ table[1][crc >> 8 & 0xFF] ^ table[2][crc >> 16 & 0xFF] ^
         table[3][crc >> 24];
}

static inline uint64_t load(const unsigned char *bytes) {
  uint64_t word;
  memcpy(&word, bytes, sizeof word);
  return word;
}

// Three lanes of `lane` bytes each from `next` on.
SSE42 static inline uint64_t three_lanes(uint64_t crc, const unsigned char *next, size_t lane,
                                         shift_table table) {
  uint64_t second = 0, third = 0;
  for (size_t at = 0; at < lane; at += 8) {
    crc = _mm_crc32_u64(crc, load(next + at));
    second = _mm_crc32_u64(second, load(next + lane + at));
    third = _mm_crc32_u64(third, load(next + 2 * lane + at));
  }
  crc = shift(table, (uint32_t)crc) ^ second;
  return shift(table, (uint32_t)crc) ^ third;
}

SSE42 static uint32_t crc32c_sse42(uint32_t start, const unsigned char *next, size_t count) {
  uint64_t crc = (uint32_t)~start;
  while (count >= 3 * LONG_LANE) {
    crc = three_lanes(crc, next, LONG_LANE, long_shift);
    next += 3 * LONG_LANE;
    count -= 3 * LONG_LANE;
  }
  while (count >= 3 * SHORT_LANE) {
    crc = three_lanes(crc, next, SHORT_LANE, short_shift);
    next += 3 * SHORT_LANE;
    count -= 3 * SHORT_LANE;
  }
  while (count >= 8) {
    crc = _mm_crc32_u64(crc, load(next));
    next += 8;
    count -= 8;
  }
  while (count--) crc = _mm_crc32_u8((uint32_t)crc, *next++);
  return ~(uint32_t)crc;
}

uint32_t tsq_crc32c(uint32_t crc, const void *bytes, size_t count) {
  if (has_crc32) return crc32c_sse42(crc, bytes, count);
  return tsq_crc32c_portable(crc, bytes, count);
}

#else

uint32_t tsq_crc32c(uint32_t crc, const void *bytes, size_t count) {
  return tsq_crc32c_portable(crc, bytes, count);
}

#endif
