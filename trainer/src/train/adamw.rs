//! `AdamW` (Loshchilov & Hutter, ICLR 2019) over a module's named parameters, with the gradient clipped by
//! its global norm. Small parameters are moved together as one row of numbers: on a GPU an operation on each of a hundred of
//! them would take longer to launch than to run. The moments carry names, so that a run can be resumed from a file.

use std::{
    collections::{BTreeMap, HashMap},
    mem,
    ops::Range,
};

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId},
    optim::GradientsParams,
    tensor::Tensor,
};

const BETA_1: f32 = 0.9;
const BETA_2: f32 = 0.999;
/// The reference's for its retriever.
const EPSILON: f32 = 1e-9;
/// A parameter of so many numbers has a row of its own: copying it there would cost more than it saves.
const LARGE: usize = 1 << 16;

/// The optimizer and its state.
#[derive(Clone, Debug)]
pub struct AdamW {
    learning_rate: f32,
    weight_decay: f32,
    clip_norm: f32,
    epsilon: f32,
    steps: i32,
    /// Moments of parameters that no row has.
    moments: BTreeMap<String, Moments>,
    rows: Vec<Row>,
}

/// Running means of a gradient and of its square, flat.
#[derive(Clone, Debug)]
pub struct Moments {
    /// Mean gradient.
    pub first: Tensor<1>,
    /// Mean squared gradient.
    pub second: Tensor<1>,
}

/// Parameters that had a gradient in the last step, one behind the other.
#[derive(Clone, Debug)]
struct Row {
    parts: Vec<Part>,
    moments: Moments,
}

/// A parameter's path and its place in a row.
type Part = (String, Range<usize>);

impl AdamW {
    /// An optimizer that has taken no step. Biases and norms are never decayed.
    pub fn new(learning_rate: f64, weight_decay: f64, clip_norm: f64) -> Self {
        Self {
            learning_rate: learning_rate as f32,
            weight_decay: weight_decay as f32,
            clip_norm: clip_norm as f32,
            epsilon: EPSILON,
            steps: 0,
            moments: BTreeMap::new(),
            rows: Vec::new(),
        }
    }

    /// Continues after `steps` steps with these moments.
    #[must_use]
    pub fn resumed(self, steps: usize, moments: BTreeMap<String, Moments>) -> Self {
        Self { steps: steps as i32, moments, rows: Vec::new(), ..self }
    }

    /// The same with another epsilon; the default is 1e-9.
    #[must_use]
    pub fn with_epsilon(self, epsilon: f64) -> Self {
        Self { epsilon: epsilon as f32, ..self }
    }

    /// Takes steps of this size from now on.
    pub fn set_learning_rate(&mut self, learning_rate: f64) {
        self.learning_rate = learning_rate as f32;
    }

    /// The moments by parameter path.
    pub fn moments(&self) -> BTreeMap<String, Moments> {
        let mut moments = self.moments.clone();
        moments.extend(self.rows.iter().flat_map(Row::taken_apart));
        moments
    }

    /// Moves every parameter of the module that has a gradient one step down it.
    pub fn step<M: Module>(&mut self, module: M, gradients: GradientsParams) -> M {
        let mut found = Found { gradients, ..Found::default() };
        module.visit(&mut found);
        let Found { rows, places, .. } = found;
        let gradients: Vec<Tensor<1>> = rows.iter().map(|row| joined(row.gradients.clone())).collect();
        let squares = gradients.iter().map(|gradient| gradient.clone().square().sum());
        let Some(squares) = squares.reduce(|a, b| a + b) else { return module };
        // The factor stays on the device: reading it back would wait for the whole backward pass.
        let clip = (squares.sqrt() + 1e-6).recip().mul_scalar(self.clip_norm).clamp_max(1.0);
        self.arrange(&rows);
        self.steps += 1;
        let arranged = mem::take(&mut self.rows).into_iter().zip(rows);
        let (rows, updated) = arranged
            .zip(gradients)
            .map(|((row, found), gradient)| {
                let decay = if found.decayed { self.weight_decay } else { 0.0 };
                self.update(row, joined(found.values), gradient * clip.clone(), decay)
            })
            .unzip();
        self.rows = rows;
        module.map(&mut Spread { updated, places })
    }

    /// Rows of these parameters, with the moments that they have or none yet.
    fn arrange(&mut self, found: &[FoundRow]) {
        if self.rows.iter().map(|row| &row.parts).eq(found.iter().map(|row| &row.parts)) {
            return;
        }
        let mut moments = self.moments();
        let row = |found: &FoundRow| {
            let (first, second) = found
                .parts
                .iter()
                .zip(&found.gradients)
                .map(|((name, _), gradient)| match moments.remove(name) {
                    Some(Moments { first, second }) => (first, second),
                    None => (gradient.zeros_like(), gradient.zeros_like()),
                })
                .unzip();
            Row {
                parts: found.parts.clone(),
                moments: Moments { first: joined(first), second: joined(second) },
            }
        };
        self.rows = found.iter().map(row).collect();
        self.moments = moments;
    }

    /// A row with its new moments, and its new values.
    fn update(&self, row: Row, values: Tensor<1>, gradient: Tensor<1>, decay: f32) -> (Row, Tensor<1>) {
        let Row { parts, moments: Moments { first, second } } = row;
        let first = first * BETA_1 + gradient.clone() * (1.0 - BETA_1);
        let second = second * BETA_2 + gradient.square() * (1.0 - BETA_2);
        let scale = (second.clone() / (1.0 - BETA_2.powi(self.steps))).sqrt() + self.epsilon;
        let step_size = self.learning_rate / (1.0 - BETA_1.powi(self.steps));
        let updated = values * (1.0 - self.learning_rate * decay) - first.clone() / scale * step_size;
        (Row { parts, moments: Moments { first, second } }, updated)
    }
}

impl Row {
    /// The moments of each parameter.
    fn taken_apart(&self) -> impl Iterator<Item = (String, Moments)> {
        let Moments { first, second } = &self.moments;
        self.parts.iter().map(move |(name, place)| {
            let of = |row: &Tensor<1>| row.clone().slice(place.clone());
            (name.clone(), Moments { first: of(first), second: of(second) })
        })
    }
}

/// One behind the other; one alone is not copied.
fn joined(mut parts: Vec<Tensor<1>>) -> Tensor<1> {
    if parts.len() == 1 { parts.remove(0) } else { Tensor::cat(parts, 0) }
}

/// The row of each parameter, and its place there.
type Places = HashMap<ParamId, (usize, Range<usize>)>;

/// The parameters with a gradient, flat.
#[derive(Default)]
struct Found {
    gradients: GradientsParams,
    path: Vec<String>,
    rows: Vec<FoundRow>,
    places: Places,
}

struct FoundRow {
    decayed: bool,
    large: bool,
    parts: Vec<Part>,
    values: Vec<Tensor<1>>,
    gradients: Vec<Tensor<1>>,
}

impl ModuleVisitor for Found {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(gradient) = self.gradients.remove::<D>(param.id) else { return };
        let (name, value) = (self.path.join("."), param.val().inner());
        let count = value.shape().num_elements();
        let (decayed, large) = (!(name.contains("bias") || name.contains("norm")), count >= LARGE);
        let same = |row: &FoundRow| !large && !row.large && row.decayed == decayed;
        let n = self.rows.iter().position(same).unwrap_or(self.rows.len());
        if n == self.rows.len() {
            let (parts, values, gradients) = (Vec::new(), Vec::new(), Vec::new());
            self.rows.push(FoundRow { decayed, large, parts, values, gradients });
        }
        let row = &mut self.rows[n];
        let start = row.parts.last().map_or(0, |(_, place)| place.end);
        let place = start..start + count;
        row.parts.push((name, place.clone()));
        row.values.push(value.reshape([count]));
        row.gradients.push(gradient.inner().reshape([count]));
        self.places.insert(param.id, (n, place));
    }
}

/// Gives the parameters of rows their new values.
struct Spread {
    updated: Vec<Tensor<1>>,
    places: Places,
}

impl ModuleMapper for Spread {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some((row, place)) = self.places.remove(&param.id) else { return param };
        let (id, value, mapper) = param.consume();
        let row = self.updated[row].clone();
        let updated = if place.len() == row.dims()[0] { row } else { row.slice(place) };
        let updated = Tensor::from_inner(updated.reshape(value.shape())).require_grad();
        Param::from_mapped_value(id, updated, mapper)
    }
}

#[cfg(test)]
mod tests {
    use burn::{
        nn::{Linear, LinearConfig},
        tensor::{Device, TensorData},
    };

    use super::*;

    fn layer(weight: [f32; 2], bias: f32, device: &Device) -> Linear {
        let mut layer = LinearConfig::new(2, 1).init(device);
        layer.weight = Param::from_data(TensorData::new(weight.to_vec(), [2, 1]), device);
        layer.bias = Some(Param::from_data([bias], device));
        layer
    }

    fn values(layer: &Linear) -> Vec<f32> {
        let mut values: Vec<f32> = layer.weight.val().into_data().try_into_vec().expect("f32");
        let bias = layer.bias.as_ref().expect("has a bias").val();
        values.extend(bias.into_data().try_into_vec::<f32>().expect("f32"));
        values
    }

    /// Gradient of y = w · x + b: x and 1.
    fn gradients(layer: &Linear, x: [f32; 2], device: &Device) -> GradientsParams {
        let y = layer.forward(Tensor::<2>::from_floats([x], device)).sum();
        GradientsParams::from_grads(y.backward(), layer)
    }

    #[test]
    fn two_steps_equal_the_formula() {
        let device = Device::flex().autodiff();
        let mut adam = AdamW::new(0.1, 0.01, 5.0);
        let mut linear = layer([1.0, -2.0], 0.5, &device);
        let mut expected = [1.0_f64, -2.0, 0.5];
        let mut moments = [(0.0_f64, 0.0_f64); 3];
        for (t, x) in [[0.5, -3.0], [2.0, 8.0]].into_iter().enumerate() {
            let gradient = gradients(&linear, x, &device);
            linear = adam.step(linear, gradient);

            let gradient = [f64::from(x[0]), f64::from(x[1]), 1.0];
            let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
            let clip = (5.0 / norm).min(1.0);
            for (n, value) in expected.iter_mut().enumerate() {
                let g = gradient[n] * clip;
                let (first, second) = (0.9 * moments[n].0 + 0.1 * g, 0.999 * moments[n].1 + 0.001 * g * g);
                moments[n] = (first, second);
                let t = t as i32 + 1;
                let step =
                    first / (1.0 - 0.9_f64.powi(t)) / ((second / (1.0 - 0.999_f64.powi(t))).sqrt() + 1e-9);
                // The bias is the third; it is not decayed.
                let decay = if n == 2 { 0.0 } else { 0.01 };
                *value = *value * (1.0 - 0.1 * decay) - 0.1 * step;
            }
        }
        for (actual, expected) in values(&linear).into_iter().zip(expected) {
            assert!((f64::from(actual) - expected).abs() < 1e-5, "{actual} {expected}");
        }
    }

    #[test]
    fn a_resumed_optimizer_takes_the_same_step() {
        let device = Device::flex().autodiff();
        let mut adam = AdamW::new(0.1, 0.01, 5.0);
        let linear = layer([1.0, -2.0], 0.5, &device);
        let gradient = gradients(&linear, [0.5, -3.0], &device);
        let linear = adam.step(linear, gradient);
        let mut resumed = AdamW::new(0.1, 0.01, 5.0).resumed(1, adam.moments());
        let step = |adam: &mut AdamW| {
            let gradient = gradients(&linear, [1.0, 1.0], &device);
            values(&adam.step(linear.clone(), gradient))
        };
        assert_eq!(step(&mut adam), step(&mut resumed));
    }

    #[test]
    fn a_parameter_without_a_gradient_stays_and_keeps_its_moments() {
        let device = Device::flex().autodiff();
        let mut adam = AdamW::new(0.1, 0.01, 5.0);
        let linear = layer([1.0, -2.0], 0.5, &device);
        let gradient = gradients(&linear, [0.5, -3.0], &device);
        let linear = adam.step(linear, gradient);
        let moments = |adam: &AdamW, name: &str| adam.moments()[name].first.clone().into_data();
        let (weight, bias) = (moments(&adam, "weight"), moments(&adam, "bias"));

        let mut gradient = gradients(&linear, [1.0, 1.0], &device);
        gradient.remove::<2>(linear.weight.id).expect("weights have a gradient");
        let before = values(&linear);
        let after = values(&adam.step(linear.clone(), gradient));
        assert_eq!(before[..2], after[..2]);
        assert!(before[2] > after[2], "{before:?} {after:?}");
        assert_eq!(moments(&adam, "weight"), weight);
        assert_ne!(moments(&adam, "bias"), bias);

        let gradient = gradients(&linear, [1.0, 1.0], &device);
        assert_ne!(values(&adam.step(linear, gradient))[..2], before[..2]);
        assert_ne!(moments(&adam, "weight"), weight);
    }
}
