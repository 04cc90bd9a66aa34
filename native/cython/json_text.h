/* The text of a short JSON string. */

#include <stdint.h>

enum { XIAOER_TEXT = 512 };

static inline int xiaoer_hex(const char *at, uint32_t *unit) {
    unsigned value = 0;
    for (int i = 0; i < 4; i++) {
        unsigned c = (unsigned char)at[i], letter = c | 0x20;
        if (c - '0' <= 9) value = value * 16 + (c - '0');
        else if (letter - 'a' <= 5) value = value * 16 + (letter - 'a' + 10);
        else return 0;
    }
    *unit = value;
    return 1;
}

/* Writes the string between quotes, `size` bytes from `at` on, as UTF-32 and gives its length. Less than 0 where it
   is too long or invalid. Control characters have been ruled out before. */
static inline int xiaoer_text(const char *at, size_t size, uint32_t *units) {
    const char *end = at + size;
    int length = 0;
    if (size > XIAOER_TEXT) return -1;
    while (at < end) {
        unsigned c = (unsigned char)*at;
        if (c == '\\') {
            if (end - at < 2) return -1;
            switch (at[1]) {
            case 'n': units[length++] = '\n'; break;
            case '"': case '\\': case '/': units[length++] = (unsigned char)at[1]; break;
            case 't': units[length++] = '\t'; break;
            case 'r': units[length++] = '\r'; break;
            case 'b': units[length++] = '\b'; break;
            case 'f': units[length++] = '\f'; break;
            case 'u':
                if (end - at < 6 || !xiaoer_hex(at + 2, units + length)) return -1;
                at += 4;
                if ((units[length] & 0xF800) == 0xD800) { /* a pair, or an error */
                    uint32_t low;
                    if (units[length] >= 0xDC00 || end - at < 8 || at[2] != '\\' || at[3] != 'u' ||
                        !xiaoer_hex(at + 4, &low) || low < 0xDC00 || low > 0xDFFF)
                        return -1;
                    units[length] = 0x10000 + ((units[length] & 0x3FF) << 10 | (low & 0x3FF));
                    at += 6;
                }
                length++;
                break;
            default: return -1;
            }
            at += 2;
        } else if (c < 0x80) {
            units[length++] = c;
            at++;
        } else if (c >> 4 == 0xE) {
            if (end - at < 3) return -1;
            unsigned second = (unsigned char)at[1] ^ 0x80, third = (unsigned char)at[2] ^ 0x80;
            unsigned unit = (c & 0xF) << 12 | second << 6 | third;
            if (second > 0x3F || third > 0x3F || unit < 0x800 || (unit & 0xF800) == 0xD800) return -1;
            units[length++] = unit;
            at += 3;
        } else if (c >> 5 == 6) {
            if (end - at < 2) return -1;
            unsigned second = (unsigned char)at[1] ^ 0x80;
            unsigned unit = (c & 0x1F) << 6 | second;
            if (second > 0x3F || unit < 0x80) return -1;
            units[length++] = unit;
            at += 2;
        } else if (c >> 3 == 0x1E) {
            if (end - at < 4) return -1;
            unsigned second = (unsigned char)at[1] ^ 0x80, third = (unsigned char)at[2] ^ 0x80;
            unsigned fourth = (unsigned char)at[3] ^ 0x80;
            unsigned unit = (c & 7) << 18 | second << 12 | third << 6 | fourth;
            if ((second | third | fourth) > 0x3F || unit < 0x10000 || unit > 0x10FFFF) return -1;
            units[length++] = unit;
            at += 4;
        } else {
            return -1;
        }
    }
    return length;
}
