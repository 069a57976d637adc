using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>W2 f(W1 x + b1) + b2, its linears named 0 and 2 as in the published checkpoints (1 is the function).</summary>
internal sealed class LinearPair : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "0")]
    private readonly UniformAffine first;
    [ComponentName(Name = "2")]
    private readonly UniformAffine second;
    private readonly Func<Tensor, Tensor> function;

    internal LinearPair(long inFeatures, long middle, long outFeatures, ParameterFactory parameters, Func<Tensor, Tensor> function)
        : base(nameof(LinearPair))
    {
        this.function = function;
        Dtype = parameters.Dtype;
        first = new UniformAffine(inFeatures, middle, parameters);
        second = new UniformAffine(middle, outFeatures, parameters);
        RegisterComponents();
    }

    internal ScalarType Dtype { get; }

    internal Device Device => first.Device;

    public override Tensor forward(Tensor x)
    {
        using var scope = NewDisposeScope();
        return second.call(function(first.call(x))).MoveToOuterDisposeScope();
    }
}
