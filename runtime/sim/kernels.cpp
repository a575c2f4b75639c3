// The inner loops; see kernels.h.  Compiled with VARIANT = baseline, avx2 or avx512 and matching compiler flags.
// Only intrinsics and functions of this file may be called: an inline function of a library compiled here with AVX-512 could be
// the copy the linker keeps for everyone.
#include "kernels.h"

#include "isa.gen.h"
#if defined(__AVX2__) || defined(__SSE2__)
#include <immintrin.h>
#endif

namespace focus::VARIANT {
namespace {

using isa::MapOp;
using isa::ZipOp;

inline uint32_t bits_of(float f) { return __builtin_bit_cast(uint32_t, f); }
inline float float_of(uint32_t u) { return __builtin_bit_cast(float, u); }
constexpr float INF = __builtin_inff();

// ---- number formats --------------------------------------------------------------------------------------------------

#if !defined(__F16C__)
inline float widen_one(uint16_t h) {
    uint32_t magnitude = uint32_t(h & 0x7fff) << 13;
    uint32_t exponent = magnitude & (0x7c00u << 13);
    float scaled = float_of(magnitude) * float_of(0x77800000);  // times 2^112: moves the exponent, makes subnormals normal
    uint32_t special = magnitude | 0x7f800000 | ((magnitude & 0x007fffff) ? 0x00400000 : 0);  // infinity, or a quiet NaN
    uint32_t u = exponent == (0x7c00u << 13) ? special : bits_of(scaled);
    return float_of(u | uint32_t(h & 0x8000) << 16);
}

inline uint16_t narrow_one(float f) {
    uint32_t u = bits_of(f), sign = u & 0x80000000;
    u ^= sign;
    uint32_t special = u > 0x7f800000 ? (0x7e00 | (u >> 13 & 0x3ff)) : 0x7c00;
    uint32_t subnormal = bits_of(float_of(u) + 0.5f) - bits_of(0.5f);       // the addition rounds at 2^-24
    uint32_t normal = (u + (uint32_t(15 - 127) << 23) + 0xfff + (u >> 13 & 1)) >> 13;
    uint32_t h = u >= 0x47800000 ? special : u < 0x38800000 ? subnormal : normal;
    return uint16_t(h | sign >> 16);
}
#endif

void widen(const uint16_t* in, float* out, int64_t n) {
    int64_t i = 0;
#if defined(__AVX512F__)
    for (; i + 16 <= n; i += 16)
        _mm512_storeu_ps(out + i, _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(in + i))));
#endif
#if defined(__F16C__)
    for (; i + 8 <= n; i += 8) _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(in + i))));
    for (; i < n; ++i) out[i] = _cvtsh_ss(in[i]);
#else
    for (; i < n; ++i) out[i] = widen_one(in[i]);
#endif
}

int64_t narrow(const float* in, uint16_t* out, int64_t n) {
    int64_t i = 0, overflows = 0;
    for (int64_t j = 0; j < n; ++j) {
        float magnitude = __builtin_fabsf(in[j]);
        overflows += (magnitude >= 65520.0f) & (magnitude < INF);
    }
#if defined(__AVX512F__)
    for (; i + 16 <= n; i += 16)
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i), _mm512_cvtps_ph(_mm512_loadu_ps(in + i), _MM_FROUND_TO_NEAREST_INT));
#endif
#if defined(__F16C__)
    for (; i + 8 <= n; i += 8)
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), _mm256_cvtps_ph(_mm256_loadu_ps(in + i), _MM_FROUND_TO_NEAREST_INT));
    for (; i < n; ++i) out[i] = _cvtss_sh(in[i], _MM_FROUND_TO_NEAREST_INT);
#else
    for (; i < n; ++i) out[i] = narrow_one(in[i]);
#endif
    return overflows;
}

int64_t nonfinite_half(const uint16_t* in, int64_t n) {
    int64_t count = 0;
    for (int64_t at = 0; at < n; at += 4096) {                       // 16-bit partial counts vectorise better
        int64_t end = at + 4096 < n ? at + 4096 : n;
        uint16_t part = 0;
        for (int64_t i = at; i < end; ++i) part = uint16_t(part + ((in[i] & 0x7c00) == 0x7c00));
        count += part;
    }
    return count;
}

int64_t nonfinite_float(const float* in, int64_t n) {
    int32_t count = 0;
    for (int64_t i = 0; i < n; ++i) count += (bits_of(in[i]) & 0x7f800000) == 0x7f800000;
    return count;
}

/// 0 .. N - 1 as template arguments.
template <int...> struct Numbers {};
template <int N, int... Rest> struct MakeNumbers : MakeNumbers<N - 1, N - 1, Rest...> {};
template <int... Rest> struct MakeNumbers<0, Rest...> { using type = Numbers<Rest...>; };
template <int N> using FirstNumbers = typename MakeNumbers<N>::type;

// ---- the array -------------------------------------------------------------------------------------------------------

#if defined(__AVX512F__)
using V = __m512;
constexpr int W = 16, R = 12;
inline V zero() { return _mm512_setzero_ps(); }
inline V load(const float* p) { return _mm512_loadu_ps(p); }
inline void store(float* p, V v) { _mm512_storeu_ps(p, v); }
inline V broadcast(const float* p) { return _mm512_set1_ps(*p); }
inline V fma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
inline V add(V a, V b) { return _mm512_add_ps(a, b); }
#elif defined(__AVX2__)
using V = __m256;
constexpr int W = 8, R = 6;
inline V zero() { return _mm256_setzero_ps(); }
inline V load(const float* p) { return _mm256_loadu_ps(p); }
inline void store(float* p, V v) { _mm256_storeu_ps(p, v); }
inline V broadcast(const float* p) { return _mm256_broadcast_ss(p); }
inline V fma(V a, V b, V c) { return _mm256_fmadd_ps(a, b, c); }
inline V add(V a, V b) { return _mm256_add_ps(a, b); }
#elif defined(__SSE2__)
using V = __m128;
constexpr int W = 4, R = 6;
inline V zero() { return _mm_setzero_ps(); }
inline V load(const float* p) { return _mm_loadu_ps(p); }
inline void store(float* p, V v) { _mm_storeu_ps(p, v); }
inline V broadcast(const float* p) { return _mm_set1_ps(*p); }
inline V fma(V a, V b, V c) { return _mm_add_ps(_mm_mul_ps(a, b), c); }
inline V add(V a, V b) { return _mm_add_ps(a, b); }
#else
using V = float;
constexpr int W = 1, R = 4;
inline V zero() { return 0; }
inline V load(const float* p) { return *p; }
inline void store(float* p, V v) { *p = v; }
inline V broadcast(const float* p) { return *p; }
inline V fma(V a, V b, V c) { return a * b + c; }
inline V add(V a, V b) { return a + b; }
#endif

/// Two vectors of columns of N rows; x is [N][32], w starts at the columns.  Sums start from zero and run in order of i.
template <int N>
inline void block(const float* x, const float* w, int k, uint8_t* dst, int64_t pitch, bool init) {
    V sums[N][2];
    for (int r = 0; r < N; ++r) sums[r][0] = sums[r][1] = zero();
    for (int i = 0; i < k; ++i) {
        V w0 = load(w + i * LANES), w1 = load(w + i * LANES + W);
        for (int r = 0; r < N; ++r) {
            V value = broadcast(x + r * LANES + i);
            sums[r][0] = fma(value, w0, sums[r][0]);
            sums[r][1] = fma(value, w1, sums[r][1]);
        }
    }
    for (int r = 0; r < N; ++r) {
        float* out = reinterpret_cast<float*>(dst + r * pitch);
        store(out, init ? sums[r][0] : add(load(out), sums[r][0]));
        store(out + W, init ? sums[r][1] : add(load(out + W), sums[r][1]));
    }
}

/// N rows of one pass.  A narrow result goes through a 32-wide buffer.
template <int N>
inline void rows_of_pass(const Pass& p, int64_t row) {
    alignas(64) float x[N * LANES];
    for (int r = 0; r < N; ++r) widen(reinterpret_cast<const uint16_t*>(p.src + (row + r) * p.src_pitch), x + r * LANES, p.k);
    uint8_t* dst = p.dst + row * p.dst_pitch;
    if (p.n == LANES) {
        for (int c = 0; c < LANES; c += 2 * W) block<N>(x, p.weights + c, p.k, dst + c * 4, p.dst_pitch, p.init);
        return;
    }
    alignas(64) float wide[N * LANES];
    for (int c = 0; c < LANES; c += 2 * W) block<N>(x, p.weights + c, p.k, reinterpret_cast<uint8_t*>(wide + c), LANES * 4, true);
    for (int r = 0; r < N; ++r) {
        float* out = reinterpret_cast<float*>(dst + r * p.dst_pitch);
        for (int j = 0; j < p.n; ++j) out[j] = p.init ? wide[r * LANES + j] : out[j] + wide[r * LANES + j];
    }
}

/// Calls the block of the right height, so that the last rows of a pass are one block too.
template <int... N>
inline void block_of(const Pass& p, int64_t row, int64_t count, Numbers<N...>) {
    using Function = void (*)(const Pass&, int64_t);
    static constexpr Function heights[] = {rows_of_pass<N + 1>...};
    heights[count - 1](p, row);
}

void pass(const Pass& p) {
    int64_t row = 0;
    for (; row + R <= p.rows; row += R) rows_of_pass<R>(p, row);
    if (row < p.rows) block_of(p, row, p.rows - row, FirstNumbers<R>());
}

/// out[i][j] = in[j][i], both [32][32].
inline void transpose(const float* in, float* out) {
#if defined(__SSE2__)
    for (int i = 0; i < LANES; i += 4)
        for (int j = 0; j < LANES; j += 4) {
            __m128 a = _mm_load_ps(in + j * LANES + i), b = _mm_load_ps(in + (j + 1) * LANES + i);
            __m128 c = _mm_load_ps(in + (j + 2) * LANES + i), d = _mm_load_ps(in + (j + 3) * LANES + i);
            _MM_TRANSPOSE4_PS(a, b, c, d);
            _mm_store_ps(out + i * LANES + j, a);
            _mm_store_ps(out + (i + 1) * LANES + j, b);
            _mm_store_ps(out + (i + 2) * LANES + j, c);
            _mm_store_ps(out + (i + 3) * LANES + j, d);
        }
#else
    for (int i = 0; i < LANES; ++i)
        for (int j = 0; j < LANES; ++j) out[i * LANES + j] = in[j * LANES + i];
#endif
}

void stationary(const uint8_t* tile, int64_t pitch, int k, int n, bool transposed, float* weights) {
    alignas(64) float rows[LANES * LANES];
    int count = transposed ? n : k, width = transposed ? k : n;
    float* out = transposed ? rows : weights;
    if (count < LANES || width < LANES) __builtin_memset(out, 0, sizeof rows);
    for (int r = 0; r < count; ++r) widen(reinterpret_cast<const uint16_t*>(tile + r * pitch), out + r * LANES, width);
    if (transposed) transpose(rows, weights);
}

// ---- elementwise functions -------------------------------------------------------------------------------------------

/// e^x to about 1 ulp: range reduction by ln 2 in two parts, a polynomial of degree 7 (Cephes expf), scaling in two steps so that
/// results below the normal range come out right.
inline float exp_of(float x) {
    float c = x < -110.0f ? -110.0f : x;
    c = c > 90.0f ? 90.0f : c;                                       // a NaN passes both
    const float magic = 12582912.0f;                                 // 1.5 * 2^23: adding it rounds to an integer
    float shifted = c * 1.44269504088896341f + magic;
    int32_t n = int32_t(bits_of(shifted) - bits_of(magic));
    float whole = shifted - magic;
    float r = c - whole * 0.693359375f;
    r = r - whole * -2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    int32_t half = n >> 1;
    return p * float_of(uint32_t(half + 127) << 23) * float_of(uint32_t(n - half + 127) << 23);
}

/// erfc(z) for z >= 0 with a relative error below 1.2e-7 (Numerical Recipes, erfcc).
inline float erfc_of(float z) {
    float t = 1.0f / (1.0f + 0.5f * z);
    float p = 0.17087277f;
    p = p * t + -0.82215223f;
    p = p * t + 1.48851587f;
    p = p * t + -1.13520398f;
    p = p * t + 0.27886807f;
    p = p * t + -0.18628806f;
    p = p * t + 0.09678418f;
    p = p * t + 0.37409196f;
    p = p * t + 1.00002368f;
    p = p * t + -1.26551223f;
    return t * exp_of(p - z * z);
}

inline float logistic_times(float x, float u) { return x / (1.0f + exp_of(-u)); }

inline float gelu_erf(float x) {
    float magnitude = __builtin_fabsf(x);
    float tail = 0.5f * magnitude * erfc_of(magnitude * 0.70710678118654752f);    // |x| * (1 - cdf(|x|))
    tail = magnitude > 30.0f ? 0.0f : tail;                                        // 0 * infinity
    return x > 0 ? x - tail : x == x ? -tail : x;
}

void map(int op, const float* in, float* out, int64_t n, float scalar) {
    switch (MapOp(op)) {
        case MapOp::COPY: for (int64_t i = 0; i < n; ++i) out[i] = in[i]; break;
        case MapOp::SILU: for (int64_t i = 0; i < n; ++i) out[i] = logistic_times(in[i], in[i]); break;
        case MapOp::GELU_TANH:                                       // 0.5 (1 + tanh u) = logistic(2 u)
            for (int64_t i = 0; i < n; ++i) {
                float x = in[i];
                out[i] = logistic_times(x, 1.5957691216057308f * (x + 0.044715f * (x * x * x)));
            }
            break;
        case MapOp::GELU_ERF: for (int64_t i = 0; i < n; ++i) out[i] = gelu_erf(in[i]); break;
        case MapOp::GELU_QUICK: for (int64_t i = 0; i < n; ++i) out[i] = logistic_times(in[i], 1.702f * in[i]); break;
        case MapOp::RELU: for (int64_t i = 0; i < n; ++i) out[i] = in[i] < 0 ? 0.0f : in[i]; break;
        case MapOp::EXP: for (int64_t i = 0; i < n; ++i) out[i] = exp_of(in[i]); break;
        case MapOp::SCALE: for (int64_t i = 0; i < n; ++i) out[i] = in[i] * scalar; break;
    }
}

/// The larger value; NaN if either is.
inline float larger(float a, float b) { return (a > b) | (a != a) ? a : b; }

template <class F>
inline void zip_with(F f, const float* a, const float* b, int step, float* out, int64_t n) {
    if (step) {
        for (int64_t i = 0; i < n; ++i) out[i] = f(a[i], b[i]);
    } else {
        float value = *b;
        for (int64_t i = 0; i < n; ++i) out[i] = f(a[i], value);
    }
}

void zip(int op, const float* a, const float* b, int step, float* out, int64_t n) {
    switch (ZipOp(op)) {
        case ZipOp::ADD: zip_with([](float x, float y) { return x + y; }, a, b, step, out, n); break;
        case ZipOp::SUB: zip_with([](float x, float y) { return x - y; }, a, b, step, out, n); break;
        case ZipOp::MUL: zip_with([](float x, float y) { return x * y; }, a, b, step, out, n); break;
        case ZipOp::MAX: zip_with([](float x, float y) { return larger(x, y); }, a, b, step, out, n); break;
    }
}

// ---- reductions: 16 running values, then a tree ----------------------------------------------------------------------

using Sixteen = float __attribute__((vector_size(64)));     // in one, two or four registers: the same sums for every instruction set

inline Sixteen sixteen(const float* p) {
    Sixteen v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}
inline Sixteen larger(Sixteen a, Sixteen b) { return (a > b) | (a != a) ? a : b; }

/// combine over term(value) of all values, in an order that does not depend on the vector width; `start` is combine's neutral value.
template <class Combine, class Term>
inline float reduce(const float* in, int64_t n, float start, Combine combine, Term term) {
    Sixteen lanes = start - Sixteen{};
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) lanes = combine(lanes, term(sixteen(in + i)));
    alignas(64) float lane[16];
    __builtin_memcpy(lane, &lanes, sizeof lane);
    for (int l = 0; i < n; ++i, ++l) lane[l] = combine(lane[l], term(in[i]));
    for (int width = 8; width; width /= 2)
        for (int l = 0; l < width; ++l) lane[l] = combine(lane[l], lane[l + width]);
    return lane[0];
}

constexpr auto PLUS = [](auto a, auto b) { return a + b; };
constexpr auto LARGER = [](auto a, auto b) { return larger(a, b); };
constexpr auto ITSELF = [](auto x) { return x; };
constexpr auto SQUARE = [](auto x) { return x * x; };

float sum(const float* in, int64_t n) { return reduce(in, n, 0.0f, PLUS, ITSELF); }
float sum_squares(const float* in, int64_t n) { return reduce(in, n, 0.0f, PLUS, SQUARE); }
float max(const float* in, int64_t n) { return reduce(in, n, -INF, LARGER, ITSELF); }

float dot(const float* a, const float* b) {
    Sixteen products = sixteen(a) * sixteen(b) + sixteen(a + 16) * sixteen(b + 16);
    alignas(64) float lane[16];
    __builtin_memcpy(lane, &products, sizeof lane);
    for (int width = 8; width; width /= 2)
        for (int l = 0; l < width; ++l) lane[l] += lane[l + width];
    return lane[0];
}

// ---- rows of norms, attention and RoPE -------------------------------------------------------------------------------

void normalize(const float* in, float mean, float rdev, const float* weight, const float* bias, float* out, int64_t n) {
    if (bias)
        for (int64_t i = 0; i < n; ++i) out[i] = (in[i] - mean) * rdev * weight[i] + bias[i];
    else
        for (int64_t i = 0; i < n; ++i) out[i] = (in[i] - mean) * rdev * weight[i];
}

void rope(const float* in, const float* cos, const float* sin, float* out, int64_t n) {
    int64_t h = n / 2;
    for (int64_t c = 0; c < h; ++c) out[c] = in[c] * cos[c] - in[c + h] * sin[c];
    for (int64_t c = 0; c < h; ++c) out[c + h] = in[c + h] * cos[c + h] + in[c] * sin[c + h];
}

void scores(const float* in, float scale, const int32_t* kpos, int32_t qpos, float* out, int64_t n) {
    if (kpos)
        for (int64_t i = 0; i < n; ++i) out[i] = kpos[i] > qpos ? -INF : in[i] * scale;
    else
        for (int64_t i = 0; i < n; ++i) out[i] = in[i] * scale;
}

void exp_minus(const float* in, float m, const int32_t* kpos, int32_t qpos, float* out, int64_t n) {
    if (kpos)
        for (int64_t i = 0; i < n; ++i) {
            float e = exp_of(in[i] - m);
            out[i] = kpos[i] > qpos ? 0.0f : e;
        }
    else
        for (int64_t i = 0; i < n; ++i) out[i] = exp_of(in[i] - m);
}

void multiply(const float* in, float by, float* out, int64_t n) {
    for (int64_t i = 0; i < n; ++i) out[i] = in[i] * by;
}

void divide(const float* in, float by, float* out, int64_t n) {
    for (int64_t i = 0; i < n; ++i) out[i] = in[i] / by;
}

void accumulate(const float* src, float* dst, int64_t n, bool init) {
    if (init)
        for (int64_t i = 0; i < n; ++i) dst[i] = src[i];
    else
        for (int64_t i = 0; i < n; ++i) dst[i] += src[i];
}

#define STRING(x) #x
#define NAME_OF(x) STRING(x)
}  // namespace

extern const Kernels table;
const Kernels table = {NAME_OF(VARIANT), widen, narrow, nonfinite_half, nonfinite_float, pass, stationary, map, zip, sum, sum_squares, max,
                       normalize, rope, scores, exp_minus, multiply, divide, accumulate, dot};

}  // namespace focus::VARIANT
