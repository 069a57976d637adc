using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

public sealed class CheckpointLoaderTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private static TorchSharp.Modules.Sequential Model()
    {
        LibTorch.EnsureLoaded();
        return nn.Sequential(("linear", nn.Linear(3, 2)), ("norm", nn.BatchNorm1d(2)));
    }

    private static Dictionary<string, Tensor> Copies(nn.Module model) =>
        model.state_dict().ToDictionary(pair => pair.Key, pair => pair.Value.detach().clone());

    [Fact]
    public void A_saved_module_comes_back_exactly_parameters_and_buffers()
    {
        using var scope = NewDisposeScope();
        using var first = Model();
        using var second = Model();
        var path = folder["m.safetensors"];
        SafetensorsWriter.Save(path, first.state_dict());
        CheckpointLoader.Load(second, path);
        var back = second.state_dict();
        Assert.All(first.state_dict(), pair => Assert.True(pair.Value.IsSame(back[pair.Key])));
        Assert.True(second.parameters().All(parameter => parameter.requires_grad && parameter.is_leaf));
    }

    [Fact]
    public void Every_mismatch_is_listed_at_once_and_nothing_is_copied()
    {
        using var scope = NewDisposeScope();
        using var model = Model();
        var before = Copies(model);
        var tensors = Copies(model);
        _ = tensors.Remove("linear.bias");
        tensors["linear.weight"] = ones(1, 3); // would broadcast
        tensors["norm.weight"] = ones(2, dtype: ScalarType.Float64);
        tensors["extra"] = ones(1);
        tensors["norm.bias"] = ones(2) * 5;
        foreach (var load in new Action[] { () => CheckpointLoader.Load(model, tensors), () => LoadFile(model, tensors) })
        {
            var error = Assert.Throws<CheckpointMismatchException>(load);
            Assert.Equal(["linear.bias"], error.Missing);
            Assert.Equal(["extra"], error.Unexpected);
            Assert.Equal([new TensorMismatch("linear.weight", "(2, 3)", "(1, 3)")], error.WrongShape);
            Assert.Equal([new TensorMismatch("norm.weight", "Float32", "Float64")], error.WrongDtype);
            Assert.All(["linear.bias", "extra", "(1, 3)", "Float64"], text => Assert.Contains(text, error.Message, StringComparison.Ordinal));
        }
        Assert.All(model.state_dict(), pair => Assert.True(pair.Value.IsSame(before[pair.Key])));
    }

    [Fact]
    public void A_cast_happens_only_when_allowed()
    {
        using var scope = NewDisposeScope();
        using var model = Model();
        var tensors = Copies(model);
        tensors["linear.bias"] = tensor(new[] { 1.5, 2.5 });
        _ = Assert.Throws<CheckpointMismatchException>(() => CheckpointLoader.Load(model, tensors));
        CheckpointLoader.Load(model, tensors, allowCast: true);
        Assert.Equal([1.5f, 2.5f], model.state_dict()["linear.bias"].data<float>().ToArray());
    }

    [Fact]
    public void Published_names_load_through_a_key_map()
    {
        using var scope = NewDisposeScope();
        using var model = Model();
        var map = new KeyMap(KeyMapRow.Rename("head.w", "linear.weight", LayoutStep.Transpose));
        var tensors = Copies(model);
        var path = folder["p.safetensors"];
        SafetensorsWriter.Save(path, map.ToPublished(tensors));
        using var other = Model();
        CheckpointLoader.Load(other, path, map);
        Assert.True(other.state_dict()["linear.weight"].IsSame(tensors["linear.weight"]));
    }

    [Fact]
    public void A_truth_value_at_fault_is_found_before_anything_is_written()
    {
        using var scope = NewDisposeScope();
        using var model = new Flagged();
        var before = Copies(model);
        var path = folder["flags.safetensors"];
        SafetensorsWriter.Save(path, new Dictionary<string, Tensor> { ["a"] = ones(4) * 7, ["flags"] = ones(3, ScalarType.Bool), ["z"] = ones(4) * 7 });
        var bytes = File.ReadAllBytes(path);
        var at = 8 + (int)BitConverter.ToUInt64(bytes) + 2;
        using (var reader = new SafetensorsReader(path))
            at += (int)reader.Entries.Single(entry => entry.Name == "flags").Start;
        bytes[at] = 2;
        File.WriteAllBytes(path, bytes);

        Assert.Equal("flags", Assert.Throws<SafetensorsException>(() => CheckpointLoader.Load(model, path)).TensorName);

        Assert.All(model.state_dict(), pair => Assert.True(pair.Value.IsSame(before[pair.Key]), pair.Key));
        bytes[at] = 1;
        File.WriteAllBytes(path, bytes);
        CheckpointLoader.Load(model, path);
        Assert.Equal([7f, 7f, 7f, 7f], model.state_dict()["z"].data<float>().ToArray());
        Assert.True(model.state_dict()["flags"].all().item<bool>());
    }

    [Fact]
    public void Weights_of_any_layout_are_filled()
    {
        using var scope = NewDisposeScope();
        using var model = Model();
        using var strided = Model();
        var wanted = randn(2, 3);
        using (no_grad())
            strided.get_parameter("linear.weight")!.set_(empty(3, 2).t());
        var tensors = Copies(model);
        tensors["linear.weight"] = wanted;
        SafetensorsWriter.Save(folder["s"], tensors);
        CheckpointLoader.Load(strided, folder["s"]);
        Assert.False(strided.get_parameter("linear.weight")!.is_contiguous());
        Assert.True(strided.get_parameter("linear.weight")!.IsSame(wanted));
    }

    [Fact]
    public void A_backward_pass_over_weights_that_were_loaded_since_is_refused()
    {
        using var scope = NewDisposeScope();
        using var model = Model();
        SafetensorsWriter.Save(folder["m"], model.state_dict());
        var loss = model.call(randn(4, 3, requires_grad: true)).square().sum();
        CheckpointLoader.Load(model, folder["m"]);
        Assert.Contains("modified by an inplace operation", Assert.ThrowsAny<Exception>(() => loss.backward()).Message, StringComparison.Ordinal);
    }

    private sealed class Flagged : nn.Module
    {
        public Flagged()
            : base(nameof(Flagged))
        {
            register_buffer("a", zeros(4));
            register_buffer("flags", zeros(3, ScalarType.Bool));
            register_buffer("z", zeros(4));
        }
    }

    private void LoadFile(nn.Module model, Dictionary<string, Tensor> tensors)
    {
        SafetensorsWriter.Save(folder["bad.safetensors"], tensors);
        CheckpointLoader.Load(model, folder["bad.safetensors"]);
    }
}
