using static TorchSharp.torch;

namespace LmKit;

/// <summary>A module that keeps something made from its parameters for fast inference, such as weights in another layout.</summary>
/// <remarks>It must notice by itself that it trains, or that its parameters moved. Whoever writes into parameters in place otherwise
/// (loading, averaging, merging) calls <see cref="ForgetAll"/>; LmKit's own writers do.</remarks>
public interface IPreparedWeights
{
    /// <summary>Drops what was made; the next call makes it anew.</summary>
    void Forget();

    /// <summary>Lets a module and everything in it forget.</summary>
    static void ForgetAll(nn.Module module)
    {
        ArgumentNullException.ThrowIfNull(module);
        foreach (var part in module.modules().Prepend(module).OfType<IPreparedWeights>())
            part.Forget();
    }
}
