//! Complex numbers as pairs of real tensors (Burn has no complex element type).

use std::ops::{Add, Mul};

use burn::tensor::Tensor;

/// A complex tensor: real and imaginary parts of one shape.
#[derive(Clone, Debug)]
pub struct Complex<const D: usize> {
    /// Real part.
    pub re: Tensor<D>,
    /// Imaginary part.
    pub im: Tensor<D>,
}

/// Product, broadcast.
impl<const D: usize> Mul for Complex<D> {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        Self {
            re: self.re.clone() * other.re.clone() - self.im.clone() * other.im.clone(),
            im: self.re * other.im + self.im * other.re,
        }
    }
}

/// Sum, broadcast.
impl<const D: usize> Add for Complex<D> {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { re: self.re + other.re, im: self.im + other.im }
    }
}

impl<const D: usize> Complex<D> {
    /// `self · factor` with a real factor, broadcast.
    #[must_use]
    pub fn scale(self, factor: Tensor<D>) -> Self {
        self.map(|part| part * factor.clone())
    }

    /// The part `start .. start + length` along `dim`.
    #[must_use]
    pub fn narrow(&self, dim: usize, start: usize, length: usize) -> Self {
        self.clone().map(|part| part.narrow(dim, start, length))
    }

    /// `first` and `second` one after the other along `dim`.
    #[must_use]
    pub fn cat(first: Self, second: Self, dim: usize) -> Self {
        Self {
            re: Tensor::cat(vec![first.re, second.re], dim),
            im: Tensor::cat(vec![first.im, second.im], dim),
        }
    }

    /// Parts one behind the other on the last axis.
    #[must_use]
    pub fn pack(self) -> Tensor<D> {
        Tensor::cat(vec![self.re, self.im], D - 1)
    }

    /// The opposite of [`Self::pack`].
    #[must_use]
    pub fn unpack(packed: Tensor<D>) -> Self {
        let width = packed.dims()[D - 1] / 2;
        Self { re: packed.clone().narrow(D - 1, 0, width), im: packed.narrow(D - 1, width, width) }
    }

    /// The same linear function of both parts.
    #[must_use]
    pub fn map<const E: usize>(self, function: impl Fn(Tensor<D>) -> Tensor<E>) -> Complex<E> {
        Complex { re: function(self.re), im: function(self.im) }
    }
}
