using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>A tensor on the meta device has a shape and no values: what saves or takes over values refuses it by name.</summary>
[NoTensorLeak]
public sealed class MetaTensorTests
{
    [Fact]
    public void It_is_not_saved_and_the_file_there_stays()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var path = folder["a.safetensors"];
        SafetensorsWriter.Save(path, new Dictionary<string, Tensor> { ["a"] = ones(2) });
        var before = File.ReadAllBytes(path);

        Refused("b", () => SafetensorsWriter.Save(path, new Dictionary<string, Tensor> { ["a"] = ones(2), ["b"] = Meta(2) }));

        Assert.Equal(before, File.ReadAllBytes(path));
    }

    [Fact]
    public void It_is_not_loaded_into_a_model_and_the_model_stays()
    {
        using var scope = NewDisposeScope();
        using var model = nn.Linear(2, 1, hasBias: false);
        var before = model.weight!.detach().clone();

        Refused("weight", () => CheckpointLoader.Load(model, new Dictionary<string, Tensor> { ["weight"] = Meta(1, 2) }));
        Refused("weight", () => CheckpointLoader.Check("a file", new Dictionary<string, Tensor> { ["weight"] = before }, new Dictionary<string, Tensor> { ["weight"] = Meta(1, 2) }));

        Close.Check("weight", before, model.weight!.detach());
    }

    [Fact]
    public void A_cache_is_not_restored_from_it()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = LanguageModelTests.Model(_ => { });
        using var state = (ModelState)model.NewState(1);
        model.call(ones(1, 3, dtype: ScalarType.Int64), new SequenceContext(state)).Dispose();
        var cache = state.Layers.OfType<KeyValueCache>().First();
        var saved = cache.Tensors.ToDictionary(pair => pair.Key, pair => pair.Value.clone());
        foreach (var name in saved.Keys.ToArray())
        {
            using var fresh = model.NewState(1);
            var wrong = new Dictionary<string, Tensor>(saved) { [name] = empty(saved[name].shape, saved[name].dtype, new Device(DeviceType.META)) };
            Refused(name, () => ((ModelState)fresh).Layers.OfType<KeyValueCache>().First().Restore(wrong, 3));
        }
    }

    private static Tensor Meta(params long[] shape) => empty(shape, device: new Device(DeviceType.META));

    private static void Refused(string name, Action call)
    {
        var error = Assert.ThrowsAny<ArgumentException>(call);
        Assert.Contains("meta device", error.Message, StringComparison.Ordinal);
        Assert.Equal(name, error.ParamName);
    }

    [Fact]
    public void Whole_numbers_are_not_read_from_it_nor_from_fractions()
    {
        using var scope = NewDisposeScope();
        Assert.Equal([1, 0], HostValues.Read(tensor(new[] { true, false })));
        Assert.ThrowsAny<ArgumentException>(() => HostValues.Read(empty([2], ScalarType.Int64, new Device(DeviceType.META))));
        Assert.ThrowsAny<ArgumentException>(() => HostValues.Read(ones(2)));
    }
}
