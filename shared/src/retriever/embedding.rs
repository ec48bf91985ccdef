//! Tables of rows: one a token, one a position.

use burn::{
    module::{Module, Param},
    tensor::{Device, Int, Tensor},
};

use super::init::Init;

/// A row for each id; row 0 is padding's and is trained like the others.
#[derive(Module, Debug)]
pub struct Embedding {
    /// `[ids, d_model]`.
    pub(super) table: Param<Tensor<2>>,
}

/// A row for each place in a history, the oldest item first.
#[derive(Module, Debug)]
pub struct Positions {
    table: Param<Tensor<2>>,
}

impl Embedding {
    pub(super) fn new(ids: usize, width: usize, init: &mut Init, device: &Device) -> Self {
        Self { table: init.param([ids, width], device) }
    }

    /// `[rows, length]` to `[rows, length, d_model]`.
    pub(super) fn forward(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        look_up(self.table.val(), ids)
    }

    pub(super) fn device(&self) -> Device {
        self.table.device()
    }
}

impl Positions {
    pub(super) fn new(places: usize, width: usize, init: &mut Init, device: &Device) -> Self {
        Self { table: init.param([places, width], device) }
    }

    /// `[rows, length]` to `[rows, length, d_model]`.
    pub(super) fn forward(&self, positions: Tensor<2, Int>) -> Tensor<3> {
        look_up(self.table.val(), positions)
    }
}

fn look_up(table: Tensor<2>, rows: Tensor<2, Int>) -> Tensor<3> {
    let ([batch, length], width) = (rows.dims(), table.dims()[1]);
    table.select(0, rows.reshape([batch * length])).reshape([batch, length, width])
}
