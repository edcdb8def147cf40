/* rng.c: xoshiro256** 1.0 (Blackman and Vigna 2021, "Scrambled linear pseudorandom number generators"), seeded by
 * splitmix64 (Steele, Lea, Flood 2014).
 *
 * Seeding: one splitmix64 step over the seed, the stream added to its output, then four splitmix64 steps fill the
 * state. Bounded numbers by Lemire 2019 (arXiv:1805.10941), normals by Box and Muller from two draws. */
#include <ewc/rng.h>

#include <math.h>

static uint64_t splitmix64(uint64_t *x)
{
        uint64_t z = (*x += 0x9e3779b97f4a7c15U);

        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
        return z ^ (z >> 31);
}

static uint64_t rotl(uint64_t x, int k)
{
        return (x << k) | (x >> (64 - k));
}

void ewc_rng_seed(struct ewc_rng *r, uint64_t seed, uint64_t stream)
{
        uint64_t x = splitmix64(&seed) + stream;

        for (int i = 0; i < 4; i++)
                r->s[i] = splitmix64(&x);
}

uint64_t ewc_rng_u64(struct ewc_rng *r)
{
        uint64_t *s = r->s;
        const uint64_t result = rotl(s[1] * 5, 7) * 9;
        const uint64_t t = s[1] << 17;

        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = rotl(s[3], 45);
        return result;
}

/* The high word of a 32 x 32 bit product is uniform once the low words that n does not divide evenly are rejected. */
uint32_t ewc_rng_below(struct ewc_rng *r, uint32_t n)
{
        uint64_t m = (ewc_rng_u64(r) >> 32) * n;

        if ((uint32_t)m < n) {
                uint32_t reject = -n % n; /* 2^32 mod n */

                while ((uint32_t)m < reject)
                        m = (ewc_rng_u64(r) >> 32) * n;
        }
        return (uint32_t)(m >> 32);
}

float ewc_rng_unit(struct ewc_rng *r)
{
        return (float)(ewc_rng_u64(r) >> 40) * 0x1p-24f;
}

double ewc_rng_normal(struct ewc_rng *r)
{
        double u = (double)((ewc_rng_u64(r) >> 11) + 1) * 0x1p-53; /* (0,1]: the logarithm stays finite */
        double v = (double)(ewc_rng_u64(r) >> 11) * 0x1p-53;

        return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

void ewc_rng_shuffle(struct ewc_rng *r, size_t n, uint32_t *index)
{
        for (size_t i = n; i > 1; i--) {
                uint32_t j = ewc_rng_below(r, (uint32_t)i);
                uint32_t t = index[i - 1];

                index[i - 1] = index[j];
                index[j] = t;
        }
}
