using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Conformance;

/// <summary>A component under test, in evaluation mode, disposed with this.</summary>
internal sealed class Subject<T> : IDisposable
    where T : class
{
    internal Subject(T module)
    {
        Module = module;
        (module as nn.Module)?.eval();
    }

    internal T Module { get; }

    internal IEnumerable<(string Name, Tensor Value)> Parameters() =>
        (Module as nn.Module)?.named_parameters().Select(pair => (pair.name, (Tensor)pair.parameter)) ?? [];

    /// <summary>Takes over the values of another subject's parameters, whatever their dtype.</summary>
    internal Subject<T> CopyFrom(Subject<T> source)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        foreach (var (own, theirs) in Parameters().Zip(source.Parameters()))
            own.Value.copy_(theirs.Value);
        return this;
    }

    public void Dispose() => (Module as IDisposable)?.Dispose();
}
