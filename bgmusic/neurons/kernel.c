/* What a neuron does on a CPU, in a pass over memory each way instead of a dozen. Built by hatch_build.py, called by
 * kernel.py through ctypes; bgmusic runs without it, slower. Plain C11 that compilers turn into vector code. */

#include <stdint.h>
#include <string.h>

#include "../processors.h"

/* Raised whenever a signature below changes: an older build is then not used. */
#define VERSION 3

int32_t bgmusic_version(void) { return VERSION; }

/* Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (OOPSLA 2014): seeds from a key. */
INLINE uint64_t split(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

INLINE uint32_t rotated(uint32_t x, int by) { return x << by | x >> (32 - by); }

enum { LANES = 32 }; /* generators side by side, to fill vector registers */

typedef struct {
    uint32_t a[LANES], b[LANES], c[LANES], d[LANES];
} State;

INLINE State seeded(uint64_t key) {
    State s;
    for (int i = 0; i < LANES; i++) {
        uint64_t low = split(&key), high = split(&key);
        s.a[i] = (uint32_t)low, s.b[i] = (uint32_t)(low >> 32);
        s.c[i] = (uint32_t)high, s.d[i] = (uint32_t)(high >> 32);
    }
    return s;
}

/* The next LANES numbers from U[0, 1), multiples of 2^-24: xoshiro128++ (Blackman and Vigna, ACM TOMS 47(4), 2021). */
INLINE void draw(State *s, float *to) {
    for (int i = 0; i < LANES; i++) {
        uint32_t drawn = rotated(s->a[i] + s->d[i], 7) + s->a[i], shifted = s->b[i] << 9;
        s->c[i] ^= s->a[i];
        s->d[i] ^= s->b[i];
        s->b[i] ^= s->c[i];
        s->a[i] ^= s->d[i];
        s->c[i] ^= shifted;
        s->d[i] = rotated(s->d[i], 11);
        to[i] = (float)(int32_t)(drawn >> 8) * 0x1p-24f;
    }
}

/* n such numbers: LANES generators in turn, all seeded from one key. */
EACH_PROCESSOR
void bgmusic_uniform(uint64_t key, float *numbers, int64_t n) {
    State s = seeded(key);
    float last[LANES];
    int64_t begin = 0;
    for (; n - begin >= LANES; begin += LANES) draw(&s, numbers + begin);
    if (begin == n) return;
    draw(&s, last);
    memcpy(numbers + begin, last, (size_t)(n - begin) * sizeof *last);
}

typedef union {
    float number;
    int32_t bits;
} Word;

/* exp(t) for t <= 0, to 2 units in the last place; 0 below -87, where float32 ends. Cephes' polynomial (Moshier). */
INLINE float exponential(float t) {
    Word power, result;
    float within = t > -87.0f ? t : -87.0f;
    power.number = within * 1.44269504f + 0x1.8p23f; /* adding this rounds to a whole number, in the lowest bits */
    float whole = power.number - 0x1.8p23f;
    float rest = within - whole * 0.693359375f + whole * 2.12194440e-4f; /* ln 2 in two parts: no digit is lost */
    float sum = 1.9875691500e-4f;
    sum = sum * rest + 1.3981999507e-3f;
    sum = sum * rest + 8.3334519073e-3f;
    sum = sum * rest + 4.1665795894e-2f;
    sum = sum * rest + 1.6666665459e-1f;
    sum = sum * rest + 5.0000001201e-1f;
    result.number = sum * rest * rest + rest + 1.0f;
    result.bits += (int32_t)((uint32_t)power.bits << 23);
    return t > -87.0f ? result.number : 0.0f;
}

typedef struct {
    float smaller, larger; /* p and 1 - p, whichever is which, both to the last digits */
} Odds;

INLINE Odds odds_of(float argument) {
    float odds = exponential(argument < 0 ? argument : -argument);
    Odds of;
    of.larger = 1.0f / (1.0f + odds);
    of.smaller = odds * of.larger;
    return of;
}

/* The loop of bgmusic_decide; whether there are thresholds is known where it is inlined. */
INLINE void decide(const float *logits, const float *thresholds, float slope, float *decisions, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        float argument = slope * logits[i];
        Odds odds = odds_of(argument);
        float probability = argument < 0 ? odds.smaller : odds.larger;
        float decision = thresholds ? (thresholds[i] < probability ? 1.0f : 0.0f) : (logits[i] > 0 ? 1.0f : 0.0f);
        decisions[i] = argument == argument ? decision : argument; /* NaN stays NaN */
    }
}

/* Decisions u(sigmoid(slope * x) - v) of n neurons with thresholds v, or deterministic ones (v = 0.5, decided by the
 * sign of x) without. */
EACH_PROCESSOR
void bgmusic_decide(const float *logits, const float *thresholds, float slope, float *decisions, int64_t n) {
    if (thresholds)
        decide(logits, thresholds, slope, decisions, n);
    else
        decide(logits, 0, slope, decisions, n);
}

/* The same with the thresholds that bgmusic_uniform draws from that key, which are never written to memory. */
EACH_PROCESSOR
void bgmusic_draw_and_decide(const float *logits, uint64_t key, float slope, float *decisions, int64_t n) {
    State s = seeded(key);
    float thresholds[32 * LANES]; /* few enough for the fastest cache */
    const int64_t most = sizeof thresholds / sizeof *thresholds;
    for (int64_t begin = 0; begin < n; begin += most) {
        int64_t many = n - begin < most ? n - begin : most;
        for (int64_t i = 0; i < many; i += LANES) draw(&s, thresholds + i);
        decide(logits + begin, thresholds, slope, decisions + begin, many);
    }
}

/* Gradients by logits from those by decisions: slope * p * (1 - p) times them. */
EACH_PROCESSOR
void bgmusic_differentiate(const float *logits, const float *gradients, float slope, float *results, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        float argument = slope * logits[i];
        Odds odds = odds_of(argument);
        float steepness = slope * odds.smaller * odds.larger;
        results[i] = gradients[i] * (argument == argument ? steepness : argument);
    }
}
