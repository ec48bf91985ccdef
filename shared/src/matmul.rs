//! Matrix products in host memory where operands and output are parts of larger arrays, which tensors would copy.
#![allow(unsafe_code, reason = "the library of matrix products takes pointers")]

/// A matrix inside a slice: the number at `(i, j)` lies at `i * strides.0 + j * strides.1`.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    /// Where it lies; what is behind it does not matter.
    pub numbers: &'a [f32],
    /// Between rows, and between columns.
    pub strides: (usize, usize),
}

/// Where something is written by several threads: rows `stride` numbers apart.
#[derive(Clone, Copy)]
pub(crate) struct Target<T = f32> {
    start: *mut T,
    stride: usize,
}

// SAFETY: writing through it is unsafe, and whoever does sees to it that no two threads write to the same numbers.
unsafe impl<T: Send> Send for Target<T> {}
unsafe impl<T: Send> Sync for Target<T> {}

impl<'a> Matrix<'a> {
    /// Rows that lie one behind another, `stride` numbers apart.
    pub fn rows(numbers: &'a [f32], stride: usize) -> Self {
        Self { numbers, strides: (stride, 1) }
    }

    /// The transpose.
    pub fn transposed(self) -> Self {
        Self { strides: (self.strides.1, self.strides.0), ..self }
    }
}

impl<T: Copy> Target<T> {
    /// A place for rows `stride` numbers apart.
    pub fn new(start: *mut T, stride: usize) -> Self {
        Self { start, stride }
    }

    /// The first `len` numbers.
    ///
    /// # Safety
    /// There are so many, initialized, and nobody else uses them as long as the slice lives.
    pub unsafe fn slice<'a>(self, len: usize) -> &'a mut [T] {
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start, len) }
    }

    /// The same from this row on.
    pub fn row(self, row: usize) -> Self {
        self.from(row * self.stride)
    }

    /// The same from another number on.
    pub fn from(self, number: usize) -> Self {
        Self { start: self.start.wrapping_add(number), ..self }
    }
}

impl Target {
    /// Takes the first numbers into the first lanes of a vector, or of some.
    ///
    /// # Safety
    /// There are so many, initialized, in both, and nobody else writes them meanwhile; any number is valid in a lane.
    #[inline(always)]
    pub unsafe fn read<T: Copy>(self, vectors: &mut T, count: usize) {
        // SAFETY: the caller's promise.
        unsafe { copy::<T>(self.start, std::ptr::from_mut(vectors).cast(), count) };
    }

    /// Writes the first lanes of a vector, or of some, to the first places.
    ///
    /// # Safety
    /// As for [`Self::read`]; the places need not be initialized.
    #[inline(always)]
    pub unsafe fn write<T: Copy>(self, vectors: &T, count: usize) {
        // SAFETY: the caller's promise.
        unsafe { copy::<T>(std::ptr::from_ref(vectors).cast(), self.start, count) };
    }

    /// Writes these numbers to the first places.
    ///
    /// # Safety
    /// There are so many places, and nobody else uses them meanwhile.
    pub unsafe fn put(self, numbers: &[f32]) {
        // Eight at a time: a copy of any number is a call.
        let (eights, rest) = numbers.as_chunks::<8>();
        for (n, eight) in eights.iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe { self.start.add(n * 8).cast::<[f32; 8]>().write(*eight) };
        }
        for (n, number) in rest.iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe { self.start.add(eights.len() * 8 + n).write(*number) };
        }
    }
}

/// Copies numbers; as many as a `T` has lanes as one, because a copy of any number is a call.
///
/// # Safety
/// There are so many, initialized, to read, and places for them to write that nobody else uses meanwhile; `T` is lanes of floats.
#[inline(always)]
unsafe fn copy<T: Copy>(from: *const f32, to: *mut f32, count: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        if count * size_of::<f32>() == size_of::<T>() {
            to.cast::<T>().write_unaligned(from.cast::<T>().read_unaligned());
        } else {
            std::ptr::copy_nonoverlapping(from, to, count);
        }
    }
}

/// `target = a b`, or `target += a b`, with a `[m, k]` and b `[k, n]`.
///
/// # Safety
/// Behind the target's start lie m rows of n numbers that nobody else uses meanwhile; they are initialized if `add`.
///
/// # Panics
/// If a or b is longer than its numbers.
pub(crate) unsafe fn multiply(target: Target, [m, k, n]: [usize; 3], a: Matrix, b: Matrix, add: bool) {
    if m == 0 || n == 0 {
        return;
    }
    let last = |matrix: Matrix, rows: usize, columns: usize| {
        (rows - 1) * matrix.strides.0 + (columns - 1) * matrix.strides.1
    };
    assert!(k > 0 && last(a, m, k) < a.numbers.len() && last(b, k, n) < b.numbers.len(), "[{m}, {k}, {n}]");
    // SAFETY: what is read was checked above, what is written is the caller's promise.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            target.start,
            1,
            target.stride as isize,
            add,
            a.numbers.as_ptr(),
            a.strides.1 as isize,
            a.strides.0 as isize,
            b.numbers.as_ptr(),
            b.strides.1 as isize,
            b.strides.0 as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// Does the work of all numbers below `count`, on all threads if there are some; each has a scratch of its own.
#[cfg(feature = "native")]
pub(crate) fn each<S>(
    count: usize,
    scratch: impl Fn() -> S + Sync + Send,
    work: impl Fn(&mut S, usize) + Sync + Send,
) {
    use rayon::prelude::*;

    if rayon::current_num_threads() == 1 {
        let mut scratch = scratch();
        return (0..count).for_each(|n| work(&mut scratch, n));
    }
    (0..count).into_par_iter().for_each_init(scratch, work);
}

/// Does the work of all numbers below `count`.
#[cfg(not(feature = "native"))]
pub(crate) fn each<S>(count: usize, scratch: impl Fn() -> S, work: impl Fn(&mut S, usize)) {
    let mut scratch = scratch();
    (0..count).for_each(|n| work(&mut scratch, n));
}
