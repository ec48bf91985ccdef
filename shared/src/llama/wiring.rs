//! Rows of a tensor laid out in equal lots on a GPU, some of them in several lots, and brought back.
#![allow(unsafe_code, reason = "kernel launches skip bounds checks; lists name rows of the tensors")]

use burn::tensor::{Device, Int, Tensor};
use burn_cubecl::CubeBackend;
use cubecl::prelude::CubeDim;

use crate::{
    gpu::{contiguous, cube_numbers, cubes, numbers, room},
    kernels::{LANES, gather::gather},
};

/// Where each row of `[rows, heads, d_head]` lies in `[lots * heads * each, d_head]`.
#[derive(Clone, Debug)]
pub(super) struct Wiring {
    /// Places of a lot for one head.
    pub each: usize,
    heads: usize,
    /// The row at each place, or none.
    there: Lists,
    /// The places of each row.
    back: Lists,
}

/// Lists behind one another.
#[derive(Clone, Debug)]
struct Lists {
    starts: Tensor<1, Int>,
    items: Tensor<1, Int>,
    count: usize,
}

impl Wiring {
    /// Lots of some of `rows` rows each, with room for `each`.
    pub fn new(lots: &[Vec<usize>], each: usize, heads: usize, rows: usize, device: &Device) -> Self {
        let mut there = Vec::with_capacity(lots.len() * heads * each);
        for lot in lots {
            for head in 0..heads {
                there.extend(lot.iter().map(|row| Some((row * heads + head) as u32)));
                there.resize(there.len() + each - lot.len(), None);
            }
        }
        let mut back = vec![Vec::new(); rows * heads];
        for (place, row) in there.iter().enumerate() {
            if let Some(row) = row {
                back[*row as usize].push(place as u32);
            }
        }
        Self { each, heads, there: Lists::new(&there, device), back: Lists::new(&back, device) }
    }

    /// `factor` times `[rows, heads, d_head]` at their places, 0 where there is none: `[lots * heads * each, d_head]`.
    pub fn pad(&self, x: Tensor<3>, factor: f32) -> Tensor<2> {
        let [rows, heads, d_head] = x.dims();
        self.there.sums(x.reshape([rows * heads, d_head]), factor)
    }

    /// The way back, `factor` times the sum of a row's places: `[rows, heads, d_head]`.
    pub fn unpad(&self, x: Tensor<4>, factor: f32) -> Tensor<3> {
        let [a, b, c, d_head] = x.dims();
        let rows = self.back.sums(x.reshape([a * b * c, d_head]), factor);
        rows.reshape([self.back.count / self.heads, self.heads, d_head])
    }
}

impl Lists {
    fn new<'l, L: 'l>(lists: &'l [L], device: &Device) -> Self
    where
        &'l L: IntoIterator<Item = &'l u32>,
    {
        let (mut starts, mut items) = (vec![0], Vec::with_capacity(lists.len()));
        for list in lists {
            items.extend(list.into_iter().copied());
            starts.push(items.len() as u32);
        }
        Self { starts: numbers(starts, device), items: numbers(items, device), count: lists.len() }
    }

    /// For each list the sum of the rows that it names.
    fn sums(&self, x: Tensor<2>, factor: f32) -> Tensor<2> {
        let d_head = x.dims()[1];
        assert_eq!(d_head % LANES, 0, "d_head {d_head} must be a multiple of {LANES}");
        let x = contiguous(x);
        let out = room(&x, [self.count, d_head]);
        let dim = CubeDim::new_1d(256);
        unsafe {
            gather::launch_unchecked(
                &out.client,
                cubes((self.count * d_head / LANES) as u32, dim),
                dim,
                LANES,
                x.into_tensor_arg(),
                cube_numbers(&self.starts).into_tensor_arg(),
                cube_numbers(&self.items).into_tensor_arg(),
                out.clone().into_tensor_arg(),
                self.count as u32,
                factor,
                d_head / LANES,
            );
        }
        Tensor::from_primitive::<CubeBackend>(out)
    }
}
