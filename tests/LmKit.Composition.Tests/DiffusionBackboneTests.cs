using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Composition.Tests;

/// <summary>What acts on a language model acts on the published diffusion transformer: adapters, structured and packed linears, taps, folders.</summary>
[NoTensorLeak]
public sealed class DiffusionBackboneTests
{
    private const double LogitTolerance = 2e-5;

    [Fact]
    public void A_saved_transformer_gives_the_published_logits_again_alone_and_with_fresh_adapters()
    {
        using var scope = NewDisposeScope();
        using var golden = new Golden();
        using var folder = new Folder();
        using (var model = Golden.Build())
        {
            golden.Fill(model);
            golden.Check("published", model);
            model.Save(folder.Path);
        }
        using (var again = Load(folder))
            golden.Check("loaded", again);

        using var adapted = new Folder();
        using var tuned = Load(folder, builder => builder.UseLora(lora => lora.Rank = 2).UseLora(lora => lora.Rank = 2, ["lm_head", "conditioning.fc1", "ln_f.adaLN_modulation"]));
        Assert.Equal(2 * 7 + 3, LoraAdapters.Of(tuned).Count);
        golden.Check("fresh adapters", tuned);
        using var frozen = no_grad();
        foreach (var (_, adapter) in LoraAdapters.Of(tuned))
            adapter.get_parameter("lora_B")!.fill_(0.01);
        tuned.Save(adapted.Path);
        var trained = golden.Logits(tuned);
        Assert.True((trained - golden.Read("logits")).abs().max().item<float>() > 1e-2);
        using var restored = Load(adapted);
        Close.Check("adapters from their folder", trained, golden.Logits(restored), absolute: LogitTolerance);
        _ = LoraAdapters.Merge(restored);
        Close.Check("merged", trained, golden.Logits(restored), absolute: LogitTolerance);
    }

    [Fact]
    public void Packed_linears_stand_everywhere()
    {
        using var scope = NewDisposeScope();
        using var golden = new Golden();
        using var folder = new Folder();
        using (var model = Golden.Build())
        {
            golden.Fill(model);
            model.Save(folder.Path);
        }
        string[] outside = ["lm_head", "conditioning.fc1", "conditioning.fc2", "ln_f.adaLN_modulation"];
        using (var packed = Load(folder, builder => builder.AddPackedLinear(options => options.Format = WeightFormat.Full).AddPackedLinear(options => options.Format = WeightFormat.Full, outside)))
            golden.Check("packed", packed);
        using var rounded = Load(folder, builder => builder.AddPackedLinear().AddPackedLinear(sites: outside));
        var logits = golden.Logits(rounded);
        var published = golden.Read("logits");
        Close.Check("packed as bfloat16", published, logits, relativeToLargest: 2e-2);
    }

    [Fact]
    public void Monarch_linears_that_hold_the_published_weights_give_the_published_logits()
    {
        using var scope = NewDisposeScope();
        using var golden = new Golden();
        using var folder = new Folder();
        using (var model = Golden.Build(builder => builder.AddMonarchLinear(monarch => monarch.BlockCount = 1)))
        {
            golden.Fill(model);
            golden.Check("one block holds any matrix", model);
            model.Save(folder.Path);
        }
        using var again = Load(folder);
        golden.Check("loaded", again);

        using var fresh = Golden.Build(builder => builder.AddMonarchLinear(monarch => monarch.BlockCount = 2));
        var logits = golden.Logits(fresh);
        Assert.Equal(0, logits.abs().max().item<float>()); // a modulation starts at zero whatever linear it is
    }

    [Fact]
    public void Activations_are_tapped_and_edited()
    {
        using var scope = NewDisposeScope();
        using var golden = new Golden();
        using var model = Golden.Build();
        golden.Fill(model);
        using (var tap = ActivationTap.Read(model, "layers.0.resid_post"))
        {
            golden.Check("with a tap", model);
            Close.Check("block0", golden.Read("block0"), tap.Latest!, absolute: LogitTolerance);
        }
        var published = golden.Read("logits");
        using (model.HookPoints["layers.1.mlp_out"].Attach(value => value * 0))
        {
            var edited = golden.Logits(model);
            Assert.True((edited - published).abs().max().item<float>() > 1e-3);
        }
        Assert.Equal("diffusion", model.Describe().Layers[0].Block);
    }

    private static LanguageModel Load(Folder folder, Action<LanguageModelBuilder>? change = null) =>
        LanguageModel.Load(folder.Path, kinds => kinds.AddDiffusion().AddTuning().AddStructured(), change);

    private sealed class Folder : IDisposable
    {
        internal string Path { get; } = Directory.CreateTempSubdirectory().FullName;

        public void Dispose() => Directory.Delete(Path, recursive: true);
    }

    /// <summary>The published transformer of the golden files.</summary>
    private sealed class Golden : IDisposable
    {
        private readonly SafetensorsReader reader = new(GoldenSource.Repository.PathOf("diffusion", "dit_forward.safetensors"));

        internal static LanguageModel Build(Action<LanguageModelBuilder>? change = null)
        {
            var builder = new LanguageModelBuilder().AddDiffusionTransformer(options =>
                (options.VocabSize, options.ModelDim, options.LayerCount, options.HeadCount, options.ConditionDim) = (11, 32, 2, 4, 16));
            change?.Invoke(builder);
            return builder.Build();
        }

        internal Tensor Read(string name) => reader.Read(name);

        internal void Fill(LanguageModel model)
        {
            using var scope = NewDisposeScope();
            using var frozen = no_grad();
            var published = reader.Entries.Where(entry => entry.Name.StartsWith("w.", StringComparison.Ordinal)).ToDictionary(entry => entry.Name[2..], entry => reader.Read(entry.Name));
            var ours = MdlmKeyMap.Map.ToOurs(published);
            foreach (var (name, module) in model.named_modules().Where(pair => pair.module is MonarchLinear))
            {
                // W = W I where it is tall and I W where it is wide.
                var (dense, isTall) = (ours[$"{name}.weight"], ours[$"{name}.weight"].size(0) >= ours[$"{name}.weight"].size(1));
                var one = eye(Math.Min(dense.size(0), dense.size(1)));
                (ours[$"{name}.blkdiag1"], ours[$"{name}.blkdiag2"]) = ((isTall ? one : dense).unsqueeze(0), (isTall ? dense : one).unsqueeze(0));
                _ = ours.Remove($"{name}.weight");
            }
            CheckpointLoader.Load(model, ours);
        }

        internal Tensor Logits(LanguageModel model)
        {
            using var scope = NewDisposeScope();
            using var frozen = no_grad();
            return model.call(reader.Read("x"), new SequenceContext { Level = reader.Read("sigma") }).MoveToOuterDisposeScope();
        }

        internal void Check(string what, LanguageModel model)
        {
            using var published = Read("logits");
            using var logits = Logits(model);
            Close.Check(what, published, logits, absolute: LogitTolerance);
        }

        public void Dispose() => reader.Dispose();
    }
}
