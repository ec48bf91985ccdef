//! Vector units that multiply 16-bit whole numbers: which one is here, and the few instructions that `integer_product` and
//! `integer_row` need of each.
#![allow(unsafe_code, reason = "instructions of one machine, loads by pointer")]

/// The vector units that a machine of this kind may have. Those with VNNI multiply and add in one instruction.
#[derive(Clone, Copy, Debug)]
pub(super) enum Here {
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    AvxVnni,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    Simd128,
}

/// The best one of this machine, if it has any.
pub(super) fn here() -> Option<Here> {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512f") {
            let fused = is_x86_feature_detected!("avx512vnni");
            return Some(if fused { Here::Avx512Vnni } else { Here::Avx512 });
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            let fused = is_x86_feature_detected!("avxvnni");
            return Some(if fused { Here::AvxVnni } else { Here::Avx2 });
        }
    }
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    return Some(Here::Simd128);
    #[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
    None
}

/// What is done on whichever unit there is, for as many rows at a time as suit it.
pub(super) trait Work {
    type Done;
    fn on<U: Unit, const ROWS: usize>(self) -> Self::Done;
}

impl Here {
    /// Does it on this unit.
    pub fn run<W: Work>(self, work: W) -> W::Done {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => work.on::<x86::Avx512<true>, 8>(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => work.on::<x86::Avx512<false>, 8>(),
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni => work.on::<x86::Avx2<true>, 4>(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => work.on::<x86::Avx2<false>, 4>(),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Self::Simd128 => work.on::<wasm::Simd128, 4>(),
        }
    }
}

/// A vector of 32-bit lanes, of which any bits are valid numbers.
///
/// # Safety
/// Only for types that are this and nothing else.
pub(super) unsafe trait Lanes: Copy + Send + Sync {}

/// Number of lanes.
pub(super) const fn lanes<T: Lanes>() -> usize {
    size_of::<T>() / size_of::<u32>()
}

/// The numbers of some vectors, as words or as floats.
pub(super) fn numbers<T: Lanes, N: Number>(vectors: &mut [T]) -> &mut [N] {
    let count = vectors.len() * lanes::<T>();
    // SAFETY: vectors are nothing but lanes of 32 bits, which are valid as either, and no less aligned.
    unsafe { std::slice::from_raw_parts_mut(vectors.as_mut_ptr().cast(), count) }
}

/// What a lane may hold.
///
/// # Safety
/// Only for numbers of 32 bits of which all bits are valid.
pub(super) unsafe trait Number {}
// SAFETY: they are that.
unsafe impl Number for u32 {}
unsafe impl Number for f32 {}

/// A vector unit. Every operation is to be inlined into code that was [compiled](Unit::compiled) for it.
///
/// # Safety
/// All operations: the machine has this unit; what is loaded or stored lies there, as many as there are lanes.
pub(super) trait Unit: 'static {
    /// Lanes of 32 bits, each two 16-bit numbers before a product.
    type Whole: Lanes;
    /// As many floats.
    type Float: Lanes;

    /// Computes something, which is to be inlined always, in code compiled for this unit.
    unsafe fn compiled<T>(compute: impl FnOnce() -> T) -> T;
    /// The same pair in all lanes.
    unsafe fn splat(pair: u32) -> Self::Whole;
    /// `sum + a₀ b₀ + a₁ b₁` in each lane.
    unsafe fn add_products(sum: Self::Whole, a: Self::Whole, b: Self::Whole) -> Self::Whole;
    unsafe fn to_float(whole: Self::Whole) -> Self::Float;
    unsafe fn splat_float(value: f32) -> Self::Float;
    unsafe fn multiply(a: Self::Float, b: Self::Float) -> Self::Float;
    /// `a b + sum`
    unsafe fn multiply_add(a: Self::Float, b: Self::Float, sum: Self::Float) -> Self::Float;
}

#[cfg(target_arch = "x86_64")]
pub(super) mod x86 {
    use std::arch::x86_64::{
        __m256, __m256i, __m512, __m512i, _mm256_add_epi32, _mm256_cvtepi32_ps, _mm256_dpwssd_avx_epi32,
        _mm256_fmadd_ps, _mm256_madd_epi16, _mm256_mul_ps, _mm256_set1_epi32, _mm256_set1_ps,
        _mm512_add_epi32, _mm512_cvtepi32_ps, _mm512_dpwssd_epi32, _mm512_fmadd_ps, _mm512_madd_epi16,
        _mm512_mul_ps, _mm512_set1_epi32, _mm512_set1_ps,
    };

    use super::{Lanes, Unit};

    /// AVX2 with FMA; `FUSED` if it multiplies and adds 16-bit numbers in one instruction (AVX-VNNI).
    pub(in super::super) struct Avx2<const FUSED: bool>;
    /// AVX-512 with 16-bit numbers (BW); `FUSED` as above (AVX-512 VNNI).
    pub(in super::super) struct Avx512<const FUSED: bool>;

    // SAFETY: they are nothing but lanes.
    unsafe impl Lanes for __m256i {}
    unsafe impl Lanes for __m256 {}
    unsafe impl Lanes for __m512i {}
    unsafe impl Lanes for __m512 {}

    /// Functions compiled for these instructions.
    macro_rules! compiled {
        ($($name:ident: $features:literal;)*) => {$(
            #[target_feature(enable = $features)]
            unsafe fn $name<T>(compute: impl FnOnce() -> T) -> T {
                compute()
            }
        )*};
    }
    compiled! {
        avx512_vnni: "avx512f,avx512bw,avx512vnni";
        avx512: "avx512f,avx512bw";
        avx_vnni: "avx2,fma,avxvnni";
        avx2: "avx2,fma";
    }

    impl<const FUSED: bool> Unit for Avx2<FUSED> {
        type Whole = __m256i;
        type Float = __m256;

        #[inline(always)]
        unsafe fn compiled<T>(compute: impl FnOnce() -> T) -> T {
            unsafe { if FUSED { avx_vnni(compute) } else { avx2(compute) } }
        }
        #[inline(always)]
        unsafe fn splat(pair: u32) -> __m256i {
            unsafe { _mm256_set1_epi32(pair as i32) }
        }
        #[inline(always)]
        unsafe fn add_products(sum: __m256i, a: __m256i, b: __m256i) -> __m256i {
            unsafe {
                if FUSED {
                    _mm256_dpwssd_avx_epi32(sum, a, b)
                } else {
                    _mm256_add_epi32(sum, _mm256_madd_epi16(a, b))
                }
            }
        }
        #[inline(always)]
        unsafe fn to_float(whole: __m256i) -> __m256 {
            unsafe { _mm256_cvtepi32_ps(whole) }
        }
        #[inline(always)]
        unsafe fn splat_float(value: f32) -> __m256 {
            unsafe { _mm256_set1_ps(value) }
        }
        #[inline(always)]
        unsafe fn multiply(a: __m256, b: __m256) -> __m256 {
            unsafe { _mm256_mul_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn multiply_add(a: __m256, b: __m256, sum: __m256) -> __m256 {
            unsafe { _mm256_fmadd_ps(a, b, sum) }
        }
    }

    impl<const FUSED: bool> Unit for Avx512<FUSED> {
        type Whole = __m512i;
        type Float = __m512;

        #[inline(always)]
        unsafe fn compiled<T>(compute: impl FnOnce() -> T) -> T {
            unsafe { if FUSED { avx512_vnni(compute) } else { avx512(compute) } }
        }
        #[inline(always)]
        unsafe fn splat(pair: u32) -> __m512i {
            unsafe { _mm512_set1_epi32(pair as i32) }
        }
        #[inline(always)]
        unsafe fn add_products(sum: __m512i, a: __m512i, b: __m512i) -> __m512i {
            unsafe {
                if FUSED {
                    _mm512_dpwssd_epi32(sum, a, b)
                } else {
                    _mm512_add_epi32(sum, _mm512_madd_epi16(a, b))
                }
            }
        }
        #[inline(always)]
        unsafe fn to_float(whole: __m512i) -> __m512 {
            unsafe { _mm512_cvtepi32_ps(whole) }
        }
        #[inline(always)]
        unsafe fn splat_float(value: f32) -> __m512 {
            unsafe { _mm512_set1_ps(value) }
        }
        #[inline(always)]
        unsafe fn multiply(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_mul_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn multiply_add(a: __m512, b: __m512, sum: __m512) -> __m512 {
            unsafe { _mm512_fmadd_ps(a, b, sum) }
        }
    }
}

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(super) mod wasm {
    use std::arch::wasm32::{
        f32x4_add, f32x4_convert_i32x4, f32x4_mul, f32x4_splat, i32x4_add, i32x4_dot_i16x8, u32x4_splat, v128,
    };

    use super::{Lanes, Unit};

    /// 128-bit vectors of WebAssembly.
    pub(in super::super) struct Simd128;

    // SAFETY: it is nothing but lanes.
    unsafe impl Lanes for v128 {}

    impl Unit for Simd128 {
        type Whole = v128;
        type Float = v128;

        #[inline(always)]
        unsafe fn compiled<T>(compute: impl FnOnce() -> T) -> T {
            compute()
        }
        #[inline(always)]
        unsafe fn splat(pair: u32) -> v128 {
            u32x4_splat(pair)
        }
        #[inline(always)]
        unsafe fn add_products(sum: v128, a: v128, b: v128) -> v128 {
            i32x4_add(sum, i32x4_dot_i16x8(a, b))
        }
        #[inline(always)]
        unsafe fn to_float(whole: v128) -> v128 {
            f32x4_convert_i32x4(whole)
        }
        #[inline(always)]
        unsafe fn splat_float(value: f32) -> v128 {
            f32x4_splat(value)
        }
        #[inline(always)]
        unsafe fn multiply(a: v128, b: v128) -> v128 {
            f32x4_mul(a, b)
        }
        #[inline(always)]
        unsafe fn multiply_add(a: v128, b: v128, sum: v128) -> v128 {
            f32x4_add(f32x4_mul(a, b), sum)
        }
    }
}
