using static TorchSharp.torch;
namespace LmKit;
/// <summary>x</summary>
public sealed class AutoregressiveSampler(ILanguageModel model, AutoregressiveSamplerOptions options) : ISampler
{
    /// <inheritdoc/>
    public IEnumerable<Tensor> Sample(Tensor prompt, long length, Generator? random = null) => throw new NotSupportedException($"{model}{options}");
}
