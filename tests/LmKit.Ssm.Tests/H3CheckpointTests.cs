using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Ssm.Tests;

[NoTensorLeak]
public class H3CheckpointTests
{
    private static readonly H3Preset Tiny = new("tiny", 3, 8, 2, [1], VocabSize: 11, StateDim: 4, ShiftDim: 6, HeadDim: 2);

    [Theory]
    [InlineData("125M", 126_387_456)]
    [InlineData("355M", 361_058_304)]
    [InlineData("1.3B", 1_326_096_384)]
    [InlineData("2.7B-3attn", 2_670_307_840)]
    [InlineData("2.7B-2attn-rotary", 2_671_134_720)]
    public void A_preset_has_exactly_the_published_number_of_parameters(string name, long expected) =>
        Assert.Equal(expected, H3Preset.All.Single(preset => preset.Name == name).ParameterCount);

    [Fact]
    public void The_shapes_of_a_preset_are_those_of_the_model_it_builds()
    {
        using var model = Tiny.CreateBuilder().Build();

        Assert.Equal(Tiny.ParameterCount, model.parameters().Sum(parameter => parameter.numel()));
    }

    [Fact]
    public void A_model_written_in_the_published_layout_comes_back_with_its_sizes_and_logits()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Tiny.CreateBuilder().Build();
        using var checkpoint = H3Checkpoint.FromTensors(Published(model));
        using var again = checkpoint.Load(Tiny);
        var tokens = arange(10, dtype: ScalarType.Int64).view(1, 10);

        Assert.Equal([1], checkpoint.Sizes.AttentionLayers.ToArray());
        Assert.Equal((3, 8, 4, 6, 2), (checkpoint.Sizes.LayerCount, checkpoint.Sizes.ModelDim, checkpoint.Sizes.StateDim, checkpoint.Sizes.ShiftDim, checkpoint.Sizes.HeadDim));
        Close.Check("logits", model.call(tokens, null), again.call(tokens, null));
        Assert.True(checkpoint.Validate(Tiny).IsValid);
        Assert.Contains("| attention layers | 1 |", checkpoint.Validate(Tiny).ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("backbone.layers.2.mixer.kernel.kernel.C", "missing")]
    [InlineData("backbone.layers.1.mixer.Wqkv.bias", "missing")]
    [InlineData("backbone.layers.1.mixer.Wqkv.weight", "shape")]
    [InlineData("backbone.layers.2.mixer.surplus", "extra")]
    [InlineData("backbone.layers.2.mixer.rotary_emb.inv_freq", "extra")]
    [InlineData("backbone.layers.2.mlp.fc1.bias", "not finite")]
    [InlineData("s4seq.encoder.layers.2.norm1.weight", "missing")]
    [InlineData("s4seq.encoder.layers.2.norm2.bias", "shape")]
    [InlineData("s4seq.encoder.layers.0.mixer.D", "shape")]
    [InlineData("s4seq.encoder.layers.3.norm1.weight", "extra")]
    [InlineData("s4seq.encoder.layers.1.mixer.Wqkv.weight", "not finite")]
    public void A_fault_is_refused_by_the_tensors_own_name_in_either_layout(string name, string fault)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Tiny.CreateBuilder().Build();
        var map = name.StartsWith("backbone", StringComparison.Ordinal) ? H3KeyMap.Published(Tiny.AttentionLayers) : H3KeyMap.Legacy(Tiny.LayerCount, Tiny.AttentionLayers);
        var tensors = map.ToPublished(ModuleTensors.Of(model));
        if (fault == "missing")
            Assert.True(tensors.Remove(name));
        else if (fault == "extra")
            tensors[name] = zeros(3);
        else
            tensors[name] = fault == "shape" ? zeros([.. tensors[name].shape.Select(size => size - 1)]) : full(tensors[name].shape, double.NaN);
        using var checkpoint = H3Checkpoint.FromTensors(tensors);

        Assert.Contains(checkpoint.Validate(Tiny).Faults, sentence => sentence.Contains(name, StringComparison.Ordinal));
        var error = Assert.ThrowsAny<Exception>(() => checkpoint.Load(Tiny));
        Assert.Equal(fault == "not finite" ? typeof(ArgumentException) : typeof(CheckpointMismatchException), error.GetType());
        Assert.Contains(name, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("backbone", "999999")]
    [InlineData("backbone", "99999999999999999999")]
    [InlineData("s4seq.encoder", "999999")]
    [InlineData("s4seq.encoder", "04")]
    public void A_layer_far_above_the_others_is_refused_by_the_first_that_is_absent(string root, string layer)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Tiny.CreateBuilder().Build();
        var map = root == "backbone" ? H3KeyMap.Published(Tiny.AttentionLayers) : H3KeyMap.Legacy(Tiny.LayerCount, Tiny.AttentionLayers);
        var tensors = map.ToPublished(ModuleTensors.Of(model));
        tensors[$"{root}.layers.{layer}.x"] = zeros(1);

        var error = Assert.Throws<CheckpointMismatchException>(() => H3Checkpoint.FromTensors(tensors));

        Assert.Equal([$"{root}.layers.3"], error.Missing);
    }

    [Theory]
    [InlineData(H3CheckpointLayout.Published)]
    [InlineData(H3CheckpointLayout.Legacy)]
    public void A_model_with_rotary_attention_is_written_with_its_frequencies_and_comes_back(H3CheckpointLayout layout)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var preset = new H3Preset("rotary", 3, 24, 2, [1], RotaryDim: 8, VocabSize: 17, StateDim: 8, ShiftDim: 8);
        using var model = preset.CreateBuilder().Build();
        var map = layout == H3CheckpointLayout.Published
            ? H3KeyMap.Published(preset.AttentionLayers, preset.RotaryDim)
            : H3KeyMap.Legacy(preset.LayerCount, preset.AttentionLayers, preset.RotaryDim);
        var written = map.ToPublished(ModuleTensors.Of(model));
        var frequencies = Assert.Single(written, pair => pair.Key.EndsWith(".layers.1.mixer.rotary_emb.inv_freq", StringComparison.Ordinal)).Value;
        using var checkpoint = H3Checkpoint.FromTensors(written);
        using var again = checkpoint.Load(preset);
        var tokens = arange(10, dtype: ScalarType.Int64).view(1, 10);

        Close.Check("frequencies", tensor(new[] { 1f, 0.1f, 0.01f, 0.001f }), frequencies, relative: 1e-6);
        Assert.Equal(ScalarType.Float32, frequencies.dtype);
        Assert.Equal(layout, checkpoint.Layout);
        Assert.True(checkpoint.Validate(preset).IsValid);
        Assert.Equal(preset.ParameterCount, checkpoint.Validate(preset).ParameterCount);
        Close.Check("logits", model.call(tokens, null), again.call(tokens, null));
    }

    [Fact]
    public void A_head_that_is_not_the_embedding_and_other_attention_layers_are_faults()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Tiny.CreateBuilder().Build();
        var tensors = Published(model);
        tensors["lm_head.weight"] = tensors["backbone.embeddings.word_embeddings.weight"];
        using (var tied = H3Checkpoint.FromTensors(tensors))
            Assert.True(tied.Validate(Tiny).IsValid && tied.Validate(Tiny).HasHead);
        tensors["lm_head.weight"] = zeros(16, 8);
        using var checkpoint = H3Checkpoint.FromTensors(tensors);

        Assert.Contains("lm_head.weight", Assert.Single(checkpoint.Validate(Tiny).Faults), StringComparison.Ordinal);
        Assert.Contains("lm_head.weight", Assert.Throws<ArgumentException>(() => checkpoint.Load(Tiny)).Message, StringComparison.Ordinal);
        Assert.Contains(checkpoint.Validate(Tiny with { AttentionLayers = [2] }).Faults, fault => fault.Contains("[1]", StringComparison.Ordinal));
    }

    [Fact]
    public void Rotary_frequencies_that_are_not_the_presets_are_faults()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Tiny.CreateBuilder().Build();
        var tensors = Published(model);
        const string Frequencies = "backbone.layers.1.mixer.rotary_emb.inv_freq";
        var turning = Tiny with { RotaryDim = 4 };
        using (var silent = H3Checkpoint.FromTensors(tensors))
            Assert.Contains("rotary", Assert.Single(silent.Validate(turning).Faults), StringComparison.Ordinal);
        tensors[Frequencies] = tensor(new[] { 1f, 0.01f });
        using (var published = H3Checkpoint.FromTensors(tensors))
        {
            Assert.True(published.Validate(turning).IsValid);
            Assert.Contains("rotary", Assert.Single(published.Validate(Tiny).Faults), StringComparison.Ordinal);
            Assert.Contains("rotary", Assert.Throws<ArgumentException>(() => published.Load(Tiny)).Message, StringComparison.Ordinal);
            Assert.Contains("rotary", Assert.Single(published.Validate(Tiny with { RotaryDim = 2 }).Faults), StringComparison.Ordinal);
        }
        tensors[Frequencies] = tensor(new[] { 1f, 0.001f });
        using var other = H3Checkpoint.FromTensors(tensors);
        Assert.Contains(Frequencies, Assert.Single(other.Validate(turning).Faults), StringComparison.Ordinal);
        Assert.Contains(Frequencies, Assert.Throws<ArgumentException>(() => other.Load(2)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Something_else_is_refused_by_what_it_lacks()
    {
        using var scope = NewDisposeScope();

        var error = Assert.Throws<CheckpointMismatchException>(() => H3Checkpoint.FromTensors(new Dictionary<string, Tensor> { ["weight"] = zeros(2) }));

        Assert.Contains("backbone.embeddings.word_embeddings.weight", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_is_read_and_half_precision_leaves_the_state_spaces_alone()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var path = Path.GetTempFileName() + ".safetensors";
        try
        {
            using var model = Tiny.CreateBuilder().Build();
            SafetensorsWriter.Save(path, Published(model).ToDictionary(pair => $"model.{pair.Key}", pair => pair.Value));
            using var checkpoint = H3Checkpoint.Open(path);
            using var half = checkpoint.Load(2, dtype: ScalarType.BFloat16);

            Assert.Equal(ScalarType.BFloat16, half.get_parameter("layers.0.mixer.q_proj.weight")!.dtype);
            Assert.Equal(ScalarType.Float32, half.get_parameter("layers.0.mixer.kernel.kernel.C")!.dtype);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void Ids_beyond_the_vocabulary_are_never_drawn()
    {
        using var scope = NewDisposeScope();
        var filtered = PaddedVocabulary.Hide(11)(ones(2, 16), zeros(2, 1, dtype: ScalarType.Int64), 1);

        Close.Check("kept", ones(2, 11), filtered.narrow(1, 0, 11));
        Assert.True(filtered.narrow(1, 11, 5).eq(double.NegativeInfinity).all().item<bool>());
    }

    private static Dictionary<string, Tensor> Published(LanguageModel model) =>
        H3KeyMap.Published(Tiny.AttentionLayers).ToPublished(ModuleTensors.Of(model));
}
