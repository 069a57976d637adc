namespace LmKit;

/// <summary>The published layouts of sparse autoencoders.</summary>
public enum AutoencoderLayout
{
    /// <summary>SAELens: <c>cfg.json</c> and <c>sae_weights.safetensors</c>, of version 6 or older.</summary>
    SaeLens,

    /// <summary>Gemma Scope: <c>params.npz</c>.</summary>
    GemmaScope,

    /// <summary>OpenAI: <c>LAYER.pt</c>.</summary>
    OpenAi,

    /// <summary>dictionary_learning: <c>ae.pt</c> and <c>config.json</c>.</summary>
    DictionaryLearning,

    /// <summary>sparsify: <c>sae.safetensors</c> and <c>cfg.json</c>.</summary>
    Sparsify,

    /// <summary>Llama Scope: <c>hyperparams.json</c> and <c>final.safetensors</c>.</summary>
    LlamaScope,

    /// <summary>The top-AFA code: <c>sae.pt</c> and <c>config.json</c>.</summary>
    TopAfa,
}
