// Vectors of the instruction set that kernels.cpp is compiled for, number formats, and sums whose order does not depend on the vectors' width.
// In: VARIANT and the compiler's flags.  Out: V, W fp32 values; H, W fp16 values; loads and stores of whole and of begun vectors; reductions.
// GCC's vector types, in the width of one register: those of other widths are taken apart into single values.
#pragma once
#include <cstdint>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "isa.gen.h"
#include "kernels.h"

namespace focus::VARIANT {
namespace {

#if defined(__AVX512F__)
constexpr int W = 16;
#elif defined(__AVX2__)
constexpr int W = 8;
#else
constexpr int W = 4;                // SSE2, NEON
#endif
using V = float __attribute__((vector_size(W * 4)));
using I = int32_t __attribute__((vector_size(W * 4)));
using H = uint16_t __attribute__((vector_size(W * 2)));

constexpr float INF = __builtin_inff();

inline float float_of(uint32_t u) { return __builtin_bit_cast(float, u); }
inline I bits(V v) { return __builtin_bit_cast(I, v); }
inline V value(I i) { return __builtin_bit_cast(V, i); }
inline V splat(float f) { return f - V{}; }
inline V magnitude(V v) { return value(bits(v) & 0x7fffffff); }

/// The larger value; NaN if either is.
inline V larger(V a, V b) { return (a > b) | (a != a) ? a : b; }
inline float larger(float a, float b) { return (a > b) | (a != a) ? a : b; }

/// 0 .. N - 1 as template arguments.
template <int...> struct Numbers {};
template <int N, int... Rest> struct MakeNumbers : MakeNumbers<N - 1, N - 1, Rest...> {};
template <int... Rest> struct MakeNumbers<0, Rest...> { using type = Numbers<Rest...>; };
template <int N> using FirstNumbers = typename MakeNumbers<N>::type;

template <int... L>
inline I numbers(Numbers<L...>) { return I{L...}; }

/// The first `count` lanes.
inline I begin(int count) { return numbers(FirstNumbers<W>()) < count; }

/// a * b + c; a product of fp16 values is exact, so rounding once or twice is the same.
inline V fma(V a, V b, V c) {
#if defined(__AVX512F__)
    return _mm512_fmadd_ps(a, b, c);
#elif defined(__AVX2__)
    return _mm256_fmadd_ps(a, b, c);
#else
    return a * b + c;
#endif
}

// ---- number formats --------------------------------------------------------------------------------------------------

inline V widen(H half) {
#if defined(__AVX512F__)
    return _mm512_cvtph_ps(__builtin_bit_cast(__m256i, half));
#elif defined(__AVX2__)
    return _mm256_cvtph_ps(__builtin_bit_cast(__m128i, half));
#else
    I u = __builtin_convertvector(half, I), size = (u & 0x7fff) << 13;
    I scaled = bits(value(size) * float_of(0x77800000));                        // times 2^112: moves the exponent, makes subnormals normal
    I special = (size >= 0x7c00 << 13) & 0x7f800000, quiet = (size > 0x7c00 << 13) & 0x00400000;
    return value(scaled | special | quiet | (u & 0x8000) << 16);
#endif
}

inline H narrow(V v) {
#if defined(__AVX512F__)
    return __builtin_bit_cast(H, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
#elif defined(__AVX2__)
    return __builtin_bit_cast(H, _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
#else
    I u = bits(magnitude(v)), sign = bits(v) >> 16 & 0x8000;
    I special = u > 0x7f800000 ? 0x7e00 | (u >> 13 & 0x3ff) : 0x7c00 - I{};
    I subnormal = bits(value(u) + 0.5f) - 0x3f000000;                           // the addition rounds at 2^-24
    I normal = (u - ((127 - 15) << 23) + 0xfff + (u >> 13 & 1)) >> 13;
    I half = u >= 0x47800000 ? special : u < 0x38800000 ? subnormal : normal;
    return __builtin_convertvector(half | sign, H);
#endif
}

// ---- memory ----------------------------------------------------------------------------------------------------------

template <class T>
inline T load(const void* p) {
    T v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}
template <class T>
inline void store(void* p, T v) { __builtin_memcpy(p, &v, sizeof v); }

/// The first `count` elements, zeros after them; of a vector T of elements E.
template <class T, class E>
inline T load(const void* p, int count) {
    if (count == W) return load<T>(p);
#if defined(__AVX512F__)
    if constexpr (sizeof(E) == 4) return __builtin_bit_cast(T, _mm512_maskz_loadu_epi32(__mmask16((1 << count) - 1), p));
    else return __builtin_bit_cast(T, _mm256_maskz_loadu_epi16(__mmask16((1 << count) - 1), p));
#else
    E part[W] = {};
    for (int i = 0; i < count; ++i) part[i] = static_cast<const E*>(p)[i];
    return load<T>(part);
#endif
}
template <class E, class T>
inline void store(void* p, T v, int count) {
    if (count == W) return store(p, v);
#if defined(__AVX512F__)
    if constexpr (sizeof(E) == 4) _mm512_mask_storeu_epi32(p, __mmask16((1 << count) - 1), __builtin_bit_cast(__m512i, v));
    else _mm256_mask_storeu_epi16(p, __mmask16((1 << count) - 1), __builtin_bit_cast(__m256i, v));
#else
    E part[W];
    store(part, v);
    for (int i = 0; i < count; ++i) static_cast<E*>(p)[i] = part[i];
#endif
}

/// Calls f(i, count) for pieces of n elements: whole vectors, then what is left.
template <class F>
inline void each(int64_t n, F f) {
    int64_t i = 0;
    for (; i + W <= n; i += W) f(i, W);
    if (i < n) f(i, int(n - i));
}

inline uint8_t* row_of(const Rows& t, int64_t row) { return t.data + row * t.pitch; }

/// `count` elements of a row as fp32, from column c on; zeros after them.
inline V fetch(const Rows& t, int64_t row, int64_t c, int count) {
    const uint8_t* p = row_of(t, row);
    switch (t.dtype) {
        case isa::DType::F32: return load<V, float>(p + c * 4, count);
        case isa::DType::F16: return widen(load<H, uint16_t>(p + c * 2, count));
        case isa::DType::I32: return __builtin_convertvector((load<I, int32_t>(p + c * 4, count)), V);
        default: return __builtin_convertvector((load<H, uint16_t>(p + c * 2, count)), V);
    }
}

/// One element of a row.
inline float fetch(const Rows& t, int64_t row, int64_t c) {
    return t.dtype == isa::DType::F32 ? reinterpret_cast<const float*>(row_of(t, row))[c] : fetch(t, row, c, 1)[0];
}

/// Rows of fp16 or fp32 to be written.  Rounds once; counts finite values that became infinite.
class Writer {
  public:
    explicit Writer(const Rows& rows) : rows_(rows) {}
    void put(int64_t row, int64_t c, int count, V v) {
        uint8_t* p = row_of(rows_, row);
        if (rows_.dtype == isa::DType::F32) return store<float>(p + c * 4, v, count);
        V size = magnitude(v);
        I overflow = (size >= 65520.0f) & (size < INF);
        overflows_ -= count == W ? overflow : overflow & begin(count);
        store<uint16_t>(p + c * 2, narrow(v), count);
    }
    int64_t overflows() const {
        int64_t total = 0;
        for (int l = 0; l < W; ++l) total += overflows_[l];
        return total;
    }

  private:
    Rows rows_;
    I overflows_{};
};

// ---- reductions: 16 running values, then a tree ----------------------------------------------------------------------

constexpr int PARTS = 16 / W;
struct Sixteen { V part[PARTS]; };

/// v with lane l + BY in lane l.
template <int BY, int... L>
inline V down(V v, Numbers<L...>) { return __builtin_shufflevector(v, v, ((L + BY) % W)...); }

template <int WIDTH, class Combine>
inline float tree_of(V v, Combine combine) {
    if constexpr (WIDTH == 0) return v[0];
    else return tree_of<WIDTH / 2>(combine(v, down<WIDTH>(v, FirstNumbers<W>())), combine);
}

/// Combines lanes l and l + 8, then l and l + 4, and so on.
template <class Combine>
inline float tree(Sixteen s, Combine combine) {
    for (int width = PARTS / 2; width; width /= 2)
        for (int p = 0; p < width; ++p) s.part[p] = combine(s.part[p], s.part[p + width]);
    return tree_of<W / 2>(s.part[0], combine);
}

/// combine over term(i, count), the values from i on, of n values; `start` is combine's neutral value.
template <class Combine, class Term>
inline float reduce(int64_t n, float start, Combine combine, Term term) {
    Sixteen lanes;
    for (V& part : lanes.part) part = splat(start);
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (int p = 0; p < PARTS; ++p) lanes.part[p] = combine(lanes.part[p], term(i + p * W, W));
    for (int p = 0; p < PARTS; ++p, i += W) {
        if (i >= n) break;
        int count = n - i < W ? int(n - i) : W;
        lanes.part[p] = begin(count) ? combine(lanes.part[p], term(i, count)) : lanes.part[p];
    }
    return tree(lanes, combine);
}

constexpr auto PLUS = [](auto a, auto b) { return a + b; };
constexpr auto LARGER = [](auto a, auto b) { return larger(a, b); };

}  // namespace
}  // namespace focus::VARIANT
