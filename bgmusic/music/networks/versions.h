/* Includes tiles.h and BODY once for each kind of processor: a compiler makes slow code of vectors wider or narrower than
 * the processor's. Elsewhere there is no version, since libraries' products are better there or nothing is known. */

#include <stdint.h>
#include <string.h>

#include "../../processors.h"

#define SMALLER(a, b) ((a) < (b) ? (a) : (b))

/* Sums in registers: of so many rows, so many vectors beside each other. 12, with what they are made from, fit into the 16
 * registers that the smallest processor has. TERMS are added in them at a time; a cache's line holds LINE numbers. */
enum { ROWS = 6, VECTORS = 2, TERMS = 128, LINE = 16 };
#define PANEL (VECTORS * LANES)

#if defined(__x86_64__) && defined(__GNUC__) && !defined(BGMUSIC_ONE_VERSION)
#include <immintrin.h>

#define LANES 8
#define NAME(name) name##_avx2
#define TARGET __attribute__((target("avx2,fma"), unused))
#define BITS(on) (uint32_t)_mm256_movemask_ps((__m256)(on))
#include "tiles.h"
#include BODY
#undef LANES
#undef NAME
#undef TARGET
#undef BITS
#undef V
#undef INNER

#define LANES 16
#define NAME(name) name##_avx512
#define TARGET __attribute__((target("avx512f"), unused))
#define BITS(on) (uint32_t)_mm512_cmplt_epi32_mask((__m512i)(on), _mm512_setzero_si512())
#include "tiles.h"
#include BODY

static int wide(void) { return __builtin_cpu_supports("avx512f"); }

static int served(void) { return wide() || (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")); }

/* A kernel's functions: its version (0 is none), how many numbers its space must hold, and what it does. */
#define EXPORT(name, work)                                                                                \
    int32_t bgmusic_##name##_version(void) { return served() ? VERSION : 0; }                             \
    void bgmusic_##name##_space(const struct work *w, int64_t *numbers) {                                 \
        *numbers = wide() ? space_avx512(w) : space_avx2(w);                                              \
    }                                                                                                     \
    void bgmusic_##name##_pass(const struct work *w) { wide() ? pass_avx512(w) : pass_avx2(w); }

#else
#define EXPORT(name, work) \
    int32_t bgmusic_##name##_version(void) { return 0; }
#endif
