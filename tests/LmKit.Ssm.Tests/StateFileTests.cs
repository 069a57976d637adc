using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Ssm.Tests;

[NoTensorLeak]
public class StateFileTests
{
    [Fact]
    public void A_state_saved_to_a_file_goes_on_in_a_new_process_with_identical_logits()
    {
        var folder = Directory.CreateTempSubdirectory("lmkit-state-").FullName;
        try
        {
            using var scope = NewDisposeScope();
            using var frozen = no_grad();
            using var model = Hybrid();
            model.Save(Path.Combine(folder, "model"));
            using var state = model.NewState(2);
            _ = model.call(Tokens().narrow(1, 0, 7), new SequenceContext(state));
            StateFile.Save(Path.Combine(folder, "state.safetensors"), state);
            OwnProcess.Check(GoOn, folder);
            using var reader = new SafetensorsReader(Path.Combine(folder, "logits.safetensors"));

            Close.Check("logits", model.call(Tokens().narrow(1, 7, 1), new SequenceContext(state)), reader.Read("next"));
            Close.Check("more logits", model.call(Tokens().narrow(1, 8, 4), new SequenceContext(state)), reader.Read("more"), absolute: 1e-12);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Theory]
    [InlineData(null)]
    [InlineData("-3")]
    [InlineData("seven")]
    [InlineData("99999999999999999999")]
    public void A_file_without_a_number_of_tokens_is_refused(string? position)
    {
        using var scope = NewDisposeScope();
        using var model = Hybrid();
        using var state = model.NewState(1);
        WithFile(path =>
        {
            SafetensorsWriter.Save(path, state.Tensors, position is null ? null : new Dictionary<string, string> { ["position"] = position });

            Assert.Contains("position", Assert.Throws<ArgumentException>(() => StateFile.Restore(path, state)).Message, StringComparison.Ordinal);
        });
    }

    [Theory]
    [InlineData(0)]
    [InlineData(7)]
    [InlineData(200)]
    [InlineData(-1)]
    public void A_file_that_ends_too_early_is_refused(int length)
    {
        using var scope = NewDisposeScope();
        using var model = Hybrid();
        using var state = model.NewState(1);
        WithFile(path =>
        {
            StateFile.Save(path, state);
            var bytes = File.ReadAllBytes(path);
            File.WriteAllBytes(path, bytes[..(length < 0 ? bytes.Length + length : length)]);

            Assert.Contains(path, Assert.Throws<SafetensorsException>(() => StateFile.Restore(path, state)).Message, StringComparison.Ordinal);
        });
    }

    [Theory]
    [InlineData("layers.0.diagonal", "missing", "layers.0: The saved H3State lacks 'diagonal'")]
    [InlineData("layers.0.diagonal", "shape", "layers.0: The saved 'diagonal' (")]
    [InlineData("layers.0.recent_keys", "not finite", "layers.0: The saved 'recent_keys' (Float64) is not made of finite numbers")]
    [InlineData("layers.0.recent_keys", "not a number", "layers.0: The saved 'recent_keys' (Int64) is not made of finite numbers")]
    [InlineData("layers.0.cursor", "negative", "layers.0: A document or a count")]
    [InlineData("layers.0.cursor", "short", "layers.0: A cursor of 2 rows has 5 numbers; got 2")]
    [InlineData("layers.1.keys", "missing", "layers.1: The saved key-value cache lacks 'keys'")]
    [InlineData("layers.1.keys", "shape", "layers.1: The saved keys (")]
    [InlineData("layers.1.values", "not finite", "layers.1: The saved values (Float64)")]
    [InlineData("layers.1.positions", "negative", "layers.1: The saved positions or documents are negative")]
    [InlineData("layers.1.positions", "not whole", "layers.1: The saved positions (Float64) are not whole numbers")]
    [InlineData("layers.1.documents", "negative", "layers.1: The saved positions or documents are negative")]
    [InlineData("layers.1.documents", "not whole", "layers.1: The saved documents (Float64) are not whole numbers")]
    [InlineData("layers.1.surplus", "extra", "layers.1: The saved state holds 'surplus', which a KeyValueCache does not")]
    [InlineData("layers.2.diagonal", "not finite", "layers.2: The saved 'diagonal' (Float64)")]
    [InlineData("layers.3.ssm_state", "not finite", "layers.3: The saved 'ssm_state' (Float64)")]
    [InlineData("layers.4.recent", "shape", "layers.4: The saved 'recent' (")]
    [InlineData("layers.4.surplus", "extra", "layers.4: The saved state holds 'surplus'")]
    [InlineData("layers.5.recent", "extra", "holds 'layers.5.recent', which a model of 5 layers does not")]
    [InlineData("layers.-1.recent", "extra", "holds 'layers.-1.recent', which a model of 5 layers does not")]
    [InlineData("surplus", "extra", "holds 'surplus', which a model of 5 layers does not")]
    [InlineData("cursor", "missing", "The saved model state lacks 'cursor'")]
    [InlineData("cursor", "uneven", "all rows stand alike")]
    public void A_hostile_file_is_refused_by_what_is_wrong_and_only_a_state_that_it_left_as_it_was_goes_on(string name, string fault, string message)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Hybrid();
        using var state = model.NewState(2);
        _ = model.call(Tokens().narrow(1, 0, 7), new SequenceContext(state));
        WithFile(path =>
        {
            var tensors = state.Tensors.ToDictionary(pair => pair.Key, pair => pair.Value.clone());
            tensors[name] = fault switch
            {
                "shape" => zeros([.. tensors[name].shape.Select(size => size + 1)], tensors[name].dtype),
                "not finite" => full_like(tensors[name], double.NaN),
                "not a number" => tensors[name].to(ScalarType.Int64),
                "not whole" => tensors[name].to(ScalarType.Float64),
                "negative" => full_like(tensors[name], -5),
                "short" => zeros(2, dtype: ScalarType.Int64),
                "uneven" => tensor(new long[] { 0, 3, 7, 2, 1 }),
                _ => tensors.GetValueOrDefault(name) ?? zeros(3),
            };
            if (fault == "missing")
                _ = tensors.Remove(name);
            SafetensorsWriter.Save(path, tensors, new Dictionary<string, string> { ["position"] = "7" });
            using var restored = model.NewState(2);
            using var fresh = model.NewState(2);

            var error = Assert.ThrowsAny<ArgumentException>(() => StateFile.Restore(path, restored));
            Assert.Contains(message, error.Message, StringComparison.Ordinal);
            Assert.Equal(0, restored.Position);
            // What belongs to no layer is found before any of them is touched.
            if (!message.StartsWith("layers.", StringComparison.Ordinal))
                Close.Check("a new state", model.call(Tokens(), new SequenceContext(fresh)), model.call(Tokens(), new SequenceContext(restored)));
            else
                Assert.Throws<InvalidOperationException>(() => model.call(Tokens(), new SequenceContext(restored)));
        });
    }

    [Fact]
    public void A_state_that_a_hostile_file_left_part_way_goes_on_after_a_good_one()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Hybrid();
        using var state = model.NewState(2);
        _ = model.call(Tokens().narrow(1, 0, 7), new SequenceContext(state));
        var good = state.Tensors.ToDictionary(pair => pair.Key, pair => pair.Value.clone());
        var bad = new Dictionary<string, Tensor>(good) { ["layers.3.ssm_state"] = full_like(good["layers.3.ssm_state"], double.PositiveInfinity) };
        using var restored = model.NewState(2);
        Assert.Throws<ArgumentException>(() => restored.Restore(bad, 7));
        Assert.Contains("restoration", Assert.Throws<InvalidOperationException>(() => model.call(Tokens(), new SequenceContext(restored))).Message, StringComparison.Ordinal);
        restored.Restore(good, 7);

        Close.Check("next", model.call(Tokens().narrow(1, 7, 1), new SequenceContext(state)), model.call(Tokens().narrow(1, 7, 1), new SequenceContext(restored)));
    }

    private static void WithFile(Action<string> use)
    {
        var path = Path.GetTempFileName();
        try
        {
            use(path);
        }
        finally
        {
            File.Delete(path);
        }
    }

    internal static void GoOn(string[] arguments)
    {
        LibTorch.EnsureLoaded();
        set_num_threads(1);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = LanguageModel.Load(Path.Combine(arguments[0], "model"), kinds => kinds.AddSsm());
        using var state = model.NewState(2);
        StateFile.Restore(Path.Combine(arguments[0], "state.safetensors"), state);
        SafetensorsWriter.Save(Path.Combine(arguments[0], "logits.safetensors"), new Dictionary<string, Tensor>
        {
            ["next"] = model.call(Tokens().narrow(1, 7, 1), new SequenceContext(state)),
            ["more"] = model.call(Tokens().narrow(1, 8, 4), new SequenceContext(state)),
        });
    }

    // Every mixer of the package, and attention.
    private static LanguageModel Hybrid() => ToyModel.Builder(5)
        .AddH3(h3 => h3.StateDim = 8)
        .AddAttention(layers: [1])
        .AddS4D(s4d => s4d.StateDim = 8, layers: [2])
        .AddSelectiveScan(layers: [3])
        .AddLongConv(conv => conv.KernelLength = 6, layers: [4])
        .Build();

    private static Tensor Tokens() => (arange(24, dtype: ScalarType.Int64).view(2, 12) * 5).remainder(ToyModel.VocabSize);
}
