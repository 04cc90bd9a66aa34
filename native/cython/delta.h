/* Finds `choices[0].delta.content` in the JSON that model servers send.

   A strict reader in two steps: first all quotes of the text as bits, 16 bytes at a time, and all bytes that make a
   string unusual; then one walk over what stands between the strings, which are jumped over from quote to quote.
   It walks to the end, so that what it accepts is valid JSON. Whatever it doesn't know for sure (escapes outside the
   content, long numbers, a wanted key twice, other types, deep nesting, errors) it leaves to another reader.

   The method of the first step is simdjson's (G. Langdale, D. Lemire: Parsing Gigabytes of JSON per Second, 2019).
   Reads never go beyond text[size], where a bytes object has a NUL: no character of JSON, it ends every loop. */

#include <stdint.h>
#include <string.h>
#if defined(__x86_64__) && defined(__GNUC__) && !defined(XIAOER_NO_SIMD)
#include <immintrin.h>
#define XIAOER_X86 1
#endif

enum { XIAOER_BLOCKS = 64, XIAOER_DEPTH = 32, XIAOER_DIGITS = 18 };

typedef struct {
    const char *content; /* without its quotes; NULL: none */
    size_t size;
    int plain;   /* ASCII without escapes */
    int escaped;
    int foreign; /* UTF-8 beyond ASCII stands elsewhere and has to be checked yet */
} xiaoer_delta;

/* Bit n of a mask is byte n of the 64. `odd`: control characters, backslashes and bytes beyond ASCII, which as
   signed numbers are less than a space. */
#ifdef XIAOER_X86
static inline void xiaoer_mark(const char *text, uint64_t *quotes, uint64_t *odd) {
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), space = _mm_set1_epi8(0x20);
    *quotes = *odd = 0;
    for (int i = 0; i < 64; i += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(text + i));
        __m128i unusual = _mm_or_si128(_mm_cmplt_epi8(bytes, space), _mm_cmpeq_epi8(bytes, backslash));
        *quotes |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, quote)) << i;
        *odd |= (uint64_t)(unsigned)_mm_movemask_epi8(unusual) << i;
    }
}

#define XIAOER_AVX2 __attribute__((target("avx2,bmi")))
XIAOER_AVX2 static inline void xiaoer_mark_avx2(const char *text, uint64_t *quotes, uint64_t *odd) {
    const __m256i quote = _mm256_set1_epi8('"'), backslash = _mm256_set1_epi8('\\'), space = _mm256_set1_epi8(0x20);
    *quotes = *odd = 0;
    for (int i = 0; i < 64; i += 32) {
        __m256i bytes = _mm256_loadu_si256((const __m256i *)(text + i));
        __m256i unusual = _mm256_or_si256(_mm256_cmpgt_epi8(space, bytes), _mm256_cmpeq_epi8(bytes, backslash));
        *quotes |= (uint64_t)(unsigned)_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, quote)) << i;
        *odd |= (uint64_t)(unsigned)_mm256_movemask_epi8(unusual) << i;
    }
}
#else
static inline void xiaoer_mark(const char *text, uint64_t *quotes, uint64_t *odd) {
    *quotes = *odd = 0;
    for (int i = 0; i < 64; i++) {
        signed char c = (signed char)text[i];
        *quotes |= (uint64_t)(c == '"') << i;
        *odd |= (uint64_t)(c < 0x20 || c == '\\') << i;
    }
}
#endif

/* Fills size / 64 + 1 masks. The last 64 bytes are looked at together, some of them for the second time. */
#define XIAOER_MARK_ALL(mark)                                                                   \
    do {                                                                                        \
        size_t full = size >> 6, rest = size & 63;                                              \
        for (size_t i = 0; i < full; i++) mark(text + 64 * i, quotes + i, odd + i);             \
        if (full) {                                                                             \
            mark(text + size - 64, quotes + full, odd + full);                                  \
            quotes[full] = rest ? quotes[full] >> (64 - rest) : 0;                              \
            odd[full] = rest ? odd[full] >> (64 - rest) : 0;                                    \
        } else {                                                                                \
            char padded[64];                                                                    \
            memset(padded, ' ', sizeof padded);                                                 \
            memcpy(padded, text, size);                                                         \
            mark(padded, quotes, odd);                                                          \
        }                                                                                       \
    } while (0)

/* Is the name of `length` bytes the wanted one of an open object? Both it and its quotes are read. */
static inline int xiaoer_is_wanted(const char *name, size_t length, int depth) {
    uint64_t eight;
    if (length != (depth == 3 ? 5u : 7u)) return 0;
    if (depth == 3) return memcmp(name, "delt", 4) == 0 && name[4] == 'a';
    memcpy(&eight, name - 1, 8);
    const char *key = depth == 1 ? "\"choices" : "\"content";
    uint64_t other;
    memcpy(&other, key, 8);
    return eight == other;
}

static inline const char *xiaoer_past_space(const char *at) {
    if ((unsigned char)*at > ' ') return at;
    while (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t') at++;
    return at;
}

/* Past a number without exponent and of no more digits than any reader takes; NULL if it isn't one. */
static inline const char *xiaoer_past_number(const char *at, const char *end) {
    if (*at == '-') at++;
    const char *start = at;
    if (end - at > 8) { /* eight at once, such as most of a time */
        uint64_t eight;
        memcpy(&eight, at, 8);
        if ((eight & 0xF0F0F0F0F0F0F0F0) == 0x3030303030303030 &&
            ((eight + 0x0606060606060606) & 0xF0F0F0F0F0F0F0F0) == 0x3030303030303030)
            at += 8;
    }
    while ((unsigned char)(*at - '0') <= 9) at++;
    ptrdiff_t digits = at - start;
    if (digits == 0 || digits > XIAOER_DIGITS || (digits > 1 && *start == '0')) return NULL;
    if (*at == '.') {
        start = ++at;
        while ((unsigned char)(*at - '0') <= 9) at++;
        if (at == start || digits + (at - start) > XIAOER_DIGITS) return NULL;
    }
    return (*at | 0x20) == 'e' ? NULL : at;
}

/* Where a string ends that has something unusual in it: its closing quote, or NULL. */
static const char *xiaoer_string_end(const char *at, const char *end, int *escaped) {
    for (; at < end; at++) {
        unsigned char c = (unsigned char)*at;
        if (c == '"') return at;
        if (c < 0x20) return NULL;
        if (c == '\\') {
            *escaped = 1;
            at++;
        }
    }
    return NULL;
}

/* Is any bit from `from` up to `to` set? They are cleared. */
static inline int xiaoer_take_bits(uint64_t *mask, size_t from, size_t to) {
    int any = 0;
    for (size_t block = from >> 6; block <= to >> 6; block++) {
        uint64_t bits = mask[block];
        if (block == from >> 6) bits &= ~(uint64_t)0 << (from & 63);
        if (block == to >> 6) bits &= ~(~(uint64_t)0 << (to & 63));
        any |= bits != 0;
        mask[block] &= ~bits;
    }
    return any;
}

/* Goes past the quote at which the walk stands: the next one there is. */
#define XIAOER_PAST_QUOTE()                        \
    do {                                           \
        while (!word) {                            \
            if (++block > last) return 0;          \
            word = quotes[block];                  \
        }                                          \
        word &= word - 1;                          \
    } while (0)

/* Goes past the next quote, which ends a string; `at` is behind it then. */
#define XIAOER_PAST_STRING()                       \
    do {                                           \
        while (!word) {                            \
            if (++block > last) return 0;          \
            word = quotes[block];                  \
        }                                          \
        at = text + 64 * block + __builtin_ctzll(word) + 1; \
        word &= word - 1;                          \
    } while (0)

/* True if the text is an object, and then `delta` is what was found in it. Clears bits of `odd`. */
static inline __attribute__((always_inline)) int xiaoer_walk(
    const char *text, size_t size, const uint64_t *quotes, uint64_t *odd, xiaoer_delta *delta) {
    const char *at = xiaoer_past_space(text), *const end = text + size;
    const char *start;
    size_t block = 0, last = size / 64;
    uint64_t word = quotes[0];
    uint64_t objects = 0; /* bit n: what is open at depth n is an object, not an array */
    unsigned seen = 0;    /* bit n: the wanted key of depth n has come */
    int depth = 0;
    int path = 0;   /* so many of the open ones are on the way: chunk, choices, choice, delta */
    int wanted = 1; /* the value that comes is the next on the way */

    *delta = (xiaoer_delta){0};
    if (*at != '{') return 0;
    goto object;

key: /* at its quote */
    start = at + 1;
    XIAOER_PAST_QUOTE();
    XIAOER_PAST_STRING();
    wanted = path == depth && xiaoer_is_wanted(start, (size_t)(at - 1 - start), depth);
    if (wanted) {
        if (seen >> depth & 1) return 0;
        seen |= 1u << depth;
    } else if (at[0] == ':' && at[1] == '"') { /* the most frequent kind, once more as fast as can be */
        XIAOER_PAST_QUOTE();
        XIAOER_PAST_STRING();
        if (at[0] != ',' || at[1] != '"') goto after;
        at++;
        goto key;
    }
    if (*at != ':') {
        at = xiaoer_past_space(at);
        if (*at != ':') return 0;
    }
    at = xiaoer_past_space(at + 1);

value:
    if (*at == '"') {
        start = at + 1;
        XIAOER_PAST_QUOTE();
        if (!wanted) {
            XIAOER_PAST_STRING();
            goto after;
        }
        if (depth != 4) return 0;
        XIAOER_PAST_STRING();
        delta->plain = !xiaoer_take_bits(odd, (size_t)(start - text), (size_t)(at - text));
        if (!delta->plain) {
            at = xiaoer_string_end(start, end, &delta->escaped);
            if (!at) return 0;
            /* Quotes after backslashes were none: go on behind the real one. */
            size_t closing = (size_t)(at - text);
            xiaoer_take_bits(odd, (size_t)(start - text), closing);
            block = closing >> 6;
            word = quotes[block] & ~(uint64_t)0 << (closing & 63);
            word &= word - 1;
            at++;
        }
        delta->content = start;
        delta->size = (size_t)(at - 1 - start);
        goto after;
    }
    if (*at == '{') {
        if (wanted && depth != 2 && depth != 3) return 0;
        goto object;
    }
    if (*at == '[') {
        if (wanted && depth != 1) return 0;
        if (++depth > XIAOER_DEPTH) return 0;
        path += wanted;
        objects &= ~((uint64_t)1 << depth);
        at = xiaoer_past_space(at + 1);
        if (*at == ']') {
            at++;
            goto close;
        }
        wanted = path == depth;
        goto value;
    }
    if (*at == 'n') {
        if (end - at < 4 || memcmp(at, "null", 4) != 0 || (wanted && depth != 4)) return 0;
        at += 4;
        goto after;
    }
    if (wanted) return 0;
    if (*at == 't') {
        if (end - at < 4 || memcmp(at, "true", 4) != 0) return 0;
        at += 4;
        goto after;
    }
    if (*at == 'f') {
        if (end - at < 5 || memcmp(at, "false", 5) != 0) return 0;
        at += 5;
        goto after;
    }
    at = xiaoer_past_number(at, end);
    if (!at) return 0;
    goto after;

object: /* at its brace */
    if (++depth > XIAOER_DEPTH) return 0;
    path += wanted;
    objects |= (uint64_t)1 << depth;
    at = xiaoer_past_space(at + 1);
    if (*at == '"') goto key;
    if (*at != '}') return 0;
    at++;
    goto close;

after: /* a value */
    at = xiaoer_past_space(at);
    if (*at == ',') {
        at = xiaoer_past_space(at + 1);
        if (objects >> depth & 1) {
            if (*at != '"') return 0;
            goto key;
        }
        wanted = 0;
        goto value;
    }
    if (*at != (objects >> depth & 1 ? '}' : ']')) return 0;
    at++;

close: /* past its brace */
    if (path == depth) path--;
    if (--depth) goto after;
    if (xiaoer_past_space(at) != end) return 0;
    for (size_t i = 0; i <= last; i++) {
        for (uint64_t rest = odd[i]; rest; rest &= rest - 1) {
            if (!(text[i * 64 + (size_t)__builtin_ctzll(rest)] & 0x80)) return 0;
            delta->foreign = 1;
        }
    }
    return 1;
}

static int xiaoer_find_plainly(const char *text, size_t size, xiaoer_delta *delta) {
    uint64_t quotes[XIAOER_BLOCKS + 1], odd[XIAOER_BLOCKS + 1];
    XIAOER_MARK_ALL(xiaoer_mark);
    return xiaoer_walk(text, size, quotes, odd, delta);
}

#ifdef XIAOER_X86
XIAOER_AVX2 static int xiaoer_find_avx2(const char *text, size_t size, xiaoer_delta *delta) {
    uint64_t quotes[XIAOER_BLOCKS + 1], odd[XIAOER_BLOCKS + 1];
    XIAOER_MARK_ALL(xiaoer_mark_avx2);
    return xiaoer_walk(text, size, quotes, odd, delta);
}
#endif

static int xiaoer_wide = 0;

static inline void xiaoer_choose(void) {
#ifdef XIAOER_X86
    xiaoer_wide = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi");
#endif
}

/* The last text that was walked, without its content. The chunks of one stream differ in their content alone, and
   what is valid around one string is valid around every other: comparing is enough then. */
static struct {
    size_t before, after; /* the content; the quotes belong to them. 0: none yet */
    char text[1024];
} xiaoer_last;

static inline void xiaoer_remember(const char *text, size_t size, const xiaoer_delta *delta) {
    if (!delta->content || delta->foreign || size - delta->size > sizeof xiaoer_last.text) return;
    xiaoer_last.before = (size_t)(delta->content - text);
    xiaoer_last.after = size - delta->size - xiaoer_last.before;
    memcpy(xiaoer_last.text, text, xiaoer_last.before);
    memcpy(xiaoer_last.text + xiaoer_last.before, delta->content + delta->size, xiaoer_last.after);
}

static inline int xiaoer_is_like_last(const char *text, size_t size, xiaoer_delta *delta) {
    size_t before = xiaoer_last.before, after = xiaoer_last.after;
    if (!before || size < before + after) return 0;
    const char *start = text + before, *end = text + size - after, *at = start;
    if (memcmp(text, xiaoer_last.text, before) != 0 || memcmp(end, xiaoer_last.text + before, after) != 0) return 0;
    *delta = (xiaoer_delta){.content = start, .size = (size_t)(end - start)};
    while (at < end && (signed char)*at >= 0x20 && *at != '"' && *at != '\\') at++;
    delta->plain = at == end;
    return delta->plain || xiaoer_string_end(at, text + size, &delta->escaped) == end;
}

static inline int xiaoer_find_delta(const char *text, size_t size, xiaoer_delta *delta) {
    int found;
    if (size > XIAOER_BLOCKS * 64) return 0;
    if (xiaoer_is_like_last(text, size, delta)) return 1;
#ifdef XIAOER_X86
    if (xiaoer_wide) found = xiaoer_find_avx2(text, size, delta);
    else
#endif
        found = xiaoer_find_plainly(text, size, delta);
    if (found) xiaoer_remember(text, size, delta);
    return found;
}
