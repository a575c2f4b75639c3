// Inner loops of the functional simulation.  kernels.cpp is compiled once for each instruction set and chosen when the module
// is loaded; every variant gives the same bits (products of fp16 values are exact in fp32, everything else is compiled without
// contraction, and every reduction has a fixed order).
#pragma once
#include <cstdint>

namespace focus {

constexpr int LANES = 32;  // width of the array, of a vector, of a scatter row

/// One pass of the array: dst[r, j] = (init ? 0 : dst[r, j]) + sum_i src[r, i] * weights[i][j].
struct Pass {
    const uint8_t* src;     // fp16 rows, k wide
    int64_t src_pitch;
    const float* weights;   // [k][32], columns from n on are zero
    uint8_t* dst;           // fp32 rows, n wide
    int64_t dst_pitch;
    int64_t rows;
    int k, n;
    bool init;
};

struct Kernels {
    const char* name;
    /// fp16 to fp32, exact.
    void (*widen)(const uint16_t* in, float* out, int64_t n);
    /// fp32 to fp16, nearest even; returns how many finite values became infinite.
    int64_t (*narrow)(const float* in, uint16_t* out, int64_t n);
    int64_t (*nonfinite_half)(const uint16_t* in, int64_t n);
    int64_t (*nonfinite_float)(const float* in, int64_t n);
    void (*pass)(const Pass& p);
    /// weights[i][j] = tile[j][i] of an n x k fp16 tile (`transposed`) or tile[i][j] of a k x n one; [32][32], zero beyond.
    void (*stationary)(const uint8_t* tile, int64_t pitch, int k, int n, bool transposed, float* weights);
    /// op is a MapOp.
    void (*map)(int op, const float* in, float* out, int64_t n, float scalar);
    /// op is a ZipOp; `step` 1 for a row of b, 0 for one value.
    void (*zip)(int op, const float* a, const float* b, int step, float* out, int64_t n);
    float (*sum)(const float* in, int64_t n);
    float (*sum_squares)(const float* in, int64_t n);
    /// Maximum of n >= 1 values; NaN if there is one.
    float (*max)(const float* in, int64_t n);
    /// (in - mean) * rdev * weight + bias; bias may be null.
    void (*normalize)(const float* in, float mean, float rdev, const float* weight, const float* bias, float* out, int64_t n);
    /// Rotate-half rotary embedding of one head of n elements.
    void (*rope)(const float* in, const float* cos, const float* sin, float* out, int64_t n);
    /// in * scale, -inf where kpos > qpos; kpos may be null.
    void (*scores)(const float* in, float scale, const int32_t* kpos, int32_t qpos, float* out, int64_t n);
    /// exp(in - m), 0 where kpos > qpos; kpos may be null.
    void (*exp_minus)(const float* in, float m, const int32_t* kpos, int32_t qpos, float* out, int64_t n);
    void (*multiply)(const float* in, float by, float* out, int64_t n);
    void (*divide)(const float* in, float by, float* out, int64_t n);
    /// dst += src, or dst = src with `init`.
    void (*accumulate)(const float* src, float* dst, int64_t n, bool init);
    /// Inner product of two vectors of 32.
    float (*dot)(const float* a, const float* b);
};

/// The table in use: the best this processor can run unless select_kernels chose another.
const Kernels& kernels();

/// Use the variant of that name ("baseline", "avx2", "avx512"); false if there is none or the processor cannot run it.
bool select_kernels(const char* name);

}  // namespace focus
