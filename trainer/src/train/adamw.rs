//! `AdamW` (Loshchilov & Hutter, ICLR 2019) over a module's named parameters, with the gradient clipped by
//! its global norm. The moments carry names, so that a run can be resumed from a file.

use std::collections::BTreeMap;

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    optim::GradientsParams,
    tensor::Tensor,
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
    moments: BTreeMap<String, Moments>,
}

/// Running means of a parameter's gradient and of its square, flat.
#[derive(Clone, Debug)]
pub struct Moments {
    /// Mean gradient.
    pub first: Tensor<1>,
    /// Mean squared gradient.
    pub second: Tensor<1>,
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
        }
    }

    /// Continues after `steps` steps with these moments.
    #[must_use]
    pub fn resumed(mut self, steps: usize, moments: BTreeMap<String, Moments>) -> Self {
        self.steps = steps as i32;
        self.moments = moments;
        self
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
    pub fn moments(&self) -> &BTreeMap<String, Moments> {
        &self.moments
    }

    /// Moves every parameter of the module one step down its gradient.
    pub fn step<M: Module>(&mut self, module: M, gradients: GradientsParams) -> M {
        let mut squares = Squares { gradients: &gradients, sum: None };
        module.visit(&mut squares);
        // The factor stays on the device: reading it back would wait for the whole backward pass.
        let clip =
            squares.sum.map(|sum| (sum.sqrt() + 1e-6).recip().mul_scalar(self.clip_norm).clamp_max(1.0));
        self.steps += 1;
        module.map(&mut Update { adam: self, gradients, clip, path: Vec::new() })
    }

    /// The new value of a flat parameter.
    fn update(&mut self, name: String, value: Tensor<1>, gradient: Tensor<1>) -> Tensor<1> {
        let decay = if name.contains("bias") || name.contains("norm") { 0.0 } else { self.weight_decay };
        let moments = self
            .moments
            .remove(&name)
            .unwrap_or_else(|| Moments { first: gradient.zeros_like(), second: gradient.zeros_like() });
        let first = moments.first * BETA_1 + gradient.clone() * (1.0 - BETA_1);
        let second = moments.second * BETA_2 + gradient.square() * (1.0 - BETA_2);
        let scale = (second.clone() / (1.0 - BETA_2.powi(self.steps))).sqrt() + self.epsilon;
        let step_size = self.learning_rate / (1.0 - BETA_1.powi(self.steps));
        let updated = value * (1.0 - self.learning_rate * decay) - first.clone() / scale * step_size;
        self.moments.insert(name, Moments { first, second });
        updated
    }
}

/// Sums the squares of all gradients.
struct Squares<'a> {
    gradients: &'a GradientsParams,
    sum: Option<Tensor<1>>,
}

impl ModuleVisitor for Squares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            let square = gradient.inner().square().sum();
            self.sum = Some(match self.sum.take() {
                Some(sum) => sum + square,
                None => square,
            });
        }
    }
}

/// Applies [`AdamW::update`] to every parameter that has a gradient.
struct Update<'a> {
    adam: &'a mut AdamW,
    gradients: GradientsParams,
    clip: Option<Tensor<1>>,
    path: Vec<String>,
}

impl ModuleMapper for Update<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (Some(gradient), Some(clip)) = (self.gradients.remove::<D>(param.id), self.clip.clone()) else {
            return param;
        };
        let (id, value, mapper) = param.consume();
        let shape = value.shape();
        let flat = [shape.num_elements()];
        let gradient = gradient.inner().reshape(flat) * clip;
        let updated = self.adam.update(self.path.join("."), value.inner().reshape(flat), gradient);
        let updated = Tensor::from_inner(updated.reshape(shape)).require_grad();
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
        let mut resumed = AdamW::new(0.1, 0.01, 5.0).resumed(1, adam.moments().clone());
        let step = |adam: &mut AdamW| {
            let gradient = gradients(&linear, [1.0, 1.0], &device);
            values(&adam.step(linear.clone(), gradient))
        };
        assert_eq!(step(&mut adam), step(&mut resumed));
    }
}
