namespace LmKit;

/// <summary>Which parameters weight decay acts on, where their module does not say so itself.</summary>
public enum DecayScope
{
    /// <summary>Matrices; vectors, norms and embeddings stay as they are.</summary>
    Matrices,

    /// <summary>Every parameter, biases, norms and embeddings included, as the published H3 recipes have it.</summary>
    All,
}
