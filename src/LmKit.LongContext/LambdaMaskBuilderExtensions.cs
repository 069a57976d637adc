namespace LmKit;

/// <summary>The builder's verb for the Lambda mask.</summary>
public static class LambdaMaskBuilderExtensions
{
    /// <summary>Gives the attention of layers LM-Infinite's Lambda mask.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddLambdaMask(this LanguageModelBuilder builder, Action<LambdaMaskOptions>? configure = null, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddMask(LongContextKinds.Lambda, configure, layers);
    }
}
