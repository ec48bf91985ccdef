//! `AdamW` (Loshchilov & Hutter, ICLR 2019) over a module's named parameters, with the gradient clipped by
//! its global norm. All parameters are moved as one row of numbers: on a GPU an operation on each of a hundred small ones
//! would take longer to launch than to run. The moments carry names, so that a run can be resumed from a file.

use std::{collections::BTreeMap, iter::Peekable, ops::Range, vec};

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    optim::GradientsParams,
    tensor::{Tensor, TensorData},
};

const BETA_1: f32 = 0.9;
const BETA_2: f32 = 0.999;
/// The reference's for its retriever.
const EPSILON: f32 = 1e-9;

/// The optimizer and its state.
#[derive(Clone, Debug)]
pub struct AdamW {
    learning_rate: f32,
    weight_decay: f32,
    clip_norm: f32,
    epsilon: f32,
    steps: i32,
    /// Moments of parameters that the row does not have.
    moments: BTreeMap<String, Moments>,
    row: Option<Row>,
}

/// Running means of a gradient and of its square, flat.
#[derive(Clone, Debug)]
pub struct Moments {
    /// Mean gradient.
    pub first: Tensor<1>,
    /// Mean squared gradient.
    pub second: Tensor<1>,
}

/// All parameters that had a gradient in the last step, one behind the other.
#[derive(Clone, Debug)]
struct Row {
    /// Path and place of each.
    stretches: Vec<(String, Range<usize>)>,
    moments: Moments,
    /// 1 where a number is decayed, 0 where it is of a bias or a norm.
    decays: Tensor<1>,
}

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
            row: None,
        }
    }

    /// Continues after `steps` steps with these moments.
    #[must_use]
    pub fn resumed(self, steps: usize, moments: BTreeMap<String, Moments>) -> Self {
        Self { steps: steps as i32, moments, row: None, ..self }
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
        if let Some(row) = &self.row {
            moments.extend(row.taken_apart());
        }
        moments
    }

    /// Moves every parameter of the module that has a gradient one step down it.
    pub fn step<M: Module>(&mut self, module: M, gradients: GradientsParams) -> M {
        let mut found = Found { gradients, ..Found::default() };
        module.visit(&mut found);
        let Found { stretches, values, slopes, .. } = found;
        if stretches.is_empty() {
            return module;
        }
        let (values, gradient) = (Tensor::cat(values, 0), Tensor::cat(slopes, 0));
        // The factor stays on the device: reading it back would wait for the whole backward pass.
        let norm = gradient.clone().square().sum().sqrt();
        let clip = (norm + 1e-6).recip().mul_scalar(self.clip_norm).clamp_max(1.0);
        let mut row = self.arranged(stretches, &gradient);
        let updated = self.update(&mut row, values, gradient * clip);
        let stretches = row.stretches.clone().into_iter().peekable();
        self.row = Some(row);
        module.map(&mut Spread { updated, stretches, path: Vec::new() })
    }

    /// The row of these parameters, with the moments that they have or none yet.
    fn arranged(&mut self, stretches: Vec<(String, Range<usize>)>, like: &Tensor<1>) -> Row {
        if let Some(row) = self.row.take_if(|row| row.stretches == stretches) {
            return row;
        }
        self.moments = self.moments();
        let device = like.device();
        let none = |place: &Range<usize>| Tensor::zeros([place.len()], &device);
        let (first, second) = stretches
            .iter()
            .map(|(name, place)| match self.moments.remove(name) {
                Some(Moments { first, second }) => (first, second),
                None => (none(place), none(place)),
            })
            .unzip();
        let moments = Moments { first: Tensor::cat(first, 0), second: Tensor::cat(second, 0) };
        let decayed = |name: &str| !(name.contains("bias") || name.contains("norm"));
        let decays: Vec<f32> = stretches
            .iter()
            .flat_map(|(name, place)| vec![f32::from(u8::from(decayed(name))); place.len()])
            .collect();
        let count = decays.len();
        Row { stretches, moments, decays: Tensor::from_data(TensorData::new(decays, [count]), &device) }
    }

    /// The new values of a row.
    fn update(&mut self, row: &mut Row, values: Tensor<1>, gradient: Tensor<1>) -> Tensor<1> {
        self.steps += 1;
        let Moments { first, second } = row.moments.clone();
        let first = first * BETA_1 + gradient.clone() * (1.0 - BETA_1);
        let second = second * BETA_2 + gradient.square() * (1.0 - BETA_2);
        let scale = (second.clone() / (1.0 - BETA_2.powi(self.steps))).sqrt() + self.epsilon;
        let step_size = self.learning_rate / (1.0 - BETA_1.powi(self.steps));
        let step = first.clone() / scale * step_size;
        row.moments = Moments { first, second };
        let decay = self.learning_rate * self.weight_decay;
        let kept = if decay == 0.0 { values } else { values.clone() - values * row.decays.clone() * decay };
        kept - step
    }
}

impl Row {
    /// The moments of each parameter.
    fn taken_apart(&self) -> impl Iterator<Item = (String, Moments)> {
        let Moments { first, second } = &self.moments;
        self.stretches.iter().map(move |(name, place)| {
            let of = |row: &Tensor<1>| row.clone().slice(place.clone());
            (name.clone(), Moments { first: of(first), second: of(second) })
        })
    }
}

/// The parameters with a gradient, flat, in the order of the module.
#[derive(Default)]
struct Found {
    gradients: GradientsParams,
    path: Vec<String>,
    stretches: Vec<(String, Range<usize>)>,
    values: Vec<Tensor<1>>,
    slopes: Vec<Tensor<1>>,
}

impl ModuleVisitor for Found {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            let value = param.val().inner();
            let (count, start) =
                (value.shape().num_elements(), self.stretches.last().map_or(0, |(_, place)| place.end));
            self.stretches.push((self.path.join("."), start..start + count));
            self.values.push(value.reshape([count]));
            self.slopes.push(gradient.inner().reshape([count]));
        }
    }
}

/// Gives the parameters of a row their new values, in the order of the module.
struct Spread {
    updated: Tensor<1>,
    stretches: Peekable<vec::IntoIter<(String, Range<usize>)>>,
    path: Vec<String>,
}

impl ModuleMapper for Spread {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let path = self.path.join(".");
        let Some((_, place)) = self.stretches.next_if(|(name, _)| *name == path) else { return param };
        let (id, value, mapper) = param.consume();
        let updated = self.updated.clone().slice(place).reshape(value.shape());
        Param::from_mapped_value(id, Tensor::from_inner(updated).require_grad(), mapper)
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
