//! What the tensors of a Llama are called: llama.cpp's names (GGUF) and Hugging Face's (safetensors).

/// The tensors outside the blocks and inside each, by role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names {
    /// Token embedding `[vocab, d_model]`.
    pub embedding: &'static str,
    /// Final norm `[d_model]`.
    pub norm: &'static str,
    /// Head `[vocab, d_model]`; absent when tied to the embedding.
    pub head: &'static str,
    /// What comes before a block's number.
    pub block: &'static str,
    /// Norm before attention `[d_model]`.
    pub attn_norm: &'static str,
    /// Query `[n_heads * d_head, d_model]`.
    pub q: &'static str,
    /// Key `[n_kv_heads * d_head, d_model]`.
    pub k: &'static str,
    /// Value `[n_kv_heads * d_head, d_model]`.
    pub v: &'static str,
    /// Attention output `[d_model, n_heads * d_head]`.
    pub o: &'static str,
    /// Norm before the MLP `[d_model]`.
    pub mlp_norm: &'static str,
    /// Gate `[d_ff, d_model]`.
    pub gate: &'static str,
    /// Up `[d_ff, d_model]`.
    pub up: &'static str,
    /// Down `[d_model, d_ff]`.
    pub down: &'static str,
}

/// Names in a GGUF file of architecture `llama`.
pub const GGUF: Names = Names {
    embedding: "token_embd.weight",
    norm: "output_norm.weight",
    head: "output.weight",
    block: "blk",
    attn_norm: "attn_norm.weight",
    q: "attn_q.weight",
    k: "attn_k.weight",
    v: "attn_v.weight",
    o: "attn_output.weight",
    mlp_norm: "ffn_norm.weight",
    gate: "ffn_gate.weight",
    up: "ffn_up.weight",
    down: "ffn_down.weight",
};

/// Names in a Hugging Face checkpoint of `LlamaForCausalLM`.
pub const HUGGING_FACE: Names = Names {
    embedding: "model.embed_tokens.weight",
    norm: "model.norm.weight",
    head: "lm_head.weight",
    block: "model.layers",
    attn_norm: "input_layernorm.weight",
    q: "self_attn.q_proj.weight",
    k: "self_attn.k_proj.weight",
    v: "self_attn.v_proj.weight",
    o: "self_attn.o_proj.weight",
    mlp_norm: "post_attention_layernorm.weight",
    gate: "mlp.gate_proj.weight",
    up: "mlp.up_proj.weight",
    down: "mlp.down_proj.weight",
};

impl Names {
    /// Full name of a tensor of block `n`.
    pub fn in_block(&self, n: usize, tensor: &str) -> String {
        format!("{}.{n}.{tensor}", self.block)
    }
}
