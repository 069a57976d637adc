using LmKit.Conformance;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace LmKit.Tuning.Tests;

/// <summary>The toy model of the published adapters: gated values and a small MLP, no norms.</summary>
internal sealed class PublishedToy : nn.Module<Tensor, Tensor>
{
    private readonly ModuleList<PublishedToyLayer> layers;
    [ComponentName(Name = "embed_tokens")]
    private readonly Parameter embedding;
    [ComponentName(Name = "lm_head")]
    private readonly DenseLinear head;

    internal PublishedToy(GoldenCase io, AdapterConfig config)
        : base(nameof(PublishedToy))
    {
        embedding = new Parameter(io.Tensor("base.embed_tokens.weight"));
        var count = io.Names("base.layers.").Select(name => name.Split('.')[2]).Distinct().Count();
        layers = new ModuleList<PublishedToyLayer>([.. Enumerable.Range(0, count).Select(index => new PublishedToyLayer(name => Linear($"layers.{index}.{name}")))]);
        head = (DenseLinear)Linear("lm_head");
        RegisterComponents();

        ILinear Linear(string path)
        {
            var dense = Sites.Dense(io.Tensor($"base.{path}.weight"), null, path);
            return config.Targets(path) ? new LoraLinear(config.Lora, dense, Sites.Make(dense.InFeatures, dense.OutFeatures, false, ScalarType.Float32, path)) : dense;
        }
    }

    internal Tensor Weight(string name)
    {
        var path = name[..^".weight".Length];
        return LoraAdapters.Of(this).FirstOrDefault(entry => entry.Name == path).Adapter?.ToDense() ?? get_parameter($"{path}.weight")!;
    }

    public override Tensor forward(Tensor ids)
    {
        using var scope = NewDisposeScope();
        var x = embedding[ids];
        foreach (var layer in layers)
            x = layer.call(x);
        return head.call(x).MoveToOuterDisposeScope();
    }
}

internal sealed class PublishedToyLayer : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "self_attn")]
    private readonly PublishedToyMixing mixing;
    [ComponentName(Name = "up_proj")]
    private readonly ILinear up;
    [ComponentName(Name = "down_proj")]
    private readonly ILinear down;

    internal PublishedToyLayer(Func<string, ILinear> linear)
        : base(nameof(PublishedToyLayer))
    {
        mixing = new PublishedToyMixing(name => linear($"self_attn.{name}"));
        up = linear("up_proj");
        down = linear("down_proj");
        RegisterComponents();
    }

    public override Tensor forward(Tensor x)
    {
        using var scope = NewDisposeScope();
        x = x + mixing.call(x);
        return (x + down.call(nn.functional.relu(up.call(x)))).MoveToOuterDisposeScope();
    }
}

internal sealed class PublishedToyMixing : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "q_proj")]
    private readonly ILinear q;
    [ComponentName(Name = "v_proj")]
    private readonly ILinear v;
    [ComponentName(Name = "o_proj")]
    private readonly ILinear o;

    internal PublishedToyMixing(Func<string, ILinear> linear)
        : base(nameof(PublishedToyMixing))
    {
        q = linear("q_proj");
        v = linear("v_proj");
        o = linear("o_proj");
        RegisterComponents();
    }

    public override Tensor forward(Tensor x)
    {
        using var scope = NewDisposeScope();
        return o.call(v.call(x).tanh() * q.call(x).narrow(-1, 0, v.OutFeatures).sigmoid()).MoveToOuterDisposeScope();
    }
}
