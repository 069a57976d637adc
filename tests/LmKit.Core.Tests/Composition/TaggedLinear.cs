using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>A wrapper that says its name when it is called, before it calls what it wraps.</summary>
internal sealed class TaggedLinear : nn.Module<Tensor, Tensor>, ILinear
{
    private readonly ILinear inner;
    private readonly string tag;
    private readonly List<string> said;

    internal TaggedLinear(ILinear inner, string tag, List<string> said)
        : base(nameof(TaggedLinear))
    {
        (this.inner, this.tag, this.said) = (inner, tag, said);
        RegisterComponents();
    }

    public long InFeatures => inner.InFeatures;

    public long OutFeatures => inner.OutFeatures;

    public Tensor ToDense() => inner.ToDense();

    public override Tensor forward(Tensor x)
    {
        said.Add(tag);
        return inner.call(x);
    }

    internal static Kind<ILinear> Wrapper(string tag, List<string> said) => Slots.LinearWrapper.Define(tag, place => new TaggedLinear(place.Inner, tag, said));

    internal static Kind<ILinear> Kind(string tag, List<string> said) => Slots.Linear.Define(tag, site => new TaggedLinear(new DenseLinear(site), tag, said));
}
