using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

public class KeyMapTests
{
    private static readonly KeyMap Map = new(
        KeyMapRow.Rename("backbone.layers.{l}.norm1.weight", "layers.{l}.norm1.weight"),
        KeyMapRow.Split("h.{l}.Wqkv.weight", ["layers.{l}.q.weight", "layers.{l}.k.weight", "layers.{l}.v.weight"], layerShift: 1),
        KeyMapRow.Join(["gate.{l}", "up.{l}"], "mlp.{l}.both", [1, 2]),
        KeyMapRow.Rename("t", "ours.t", LayoutStep.Transpose),
        KeyMapRow.Rename("r", "ours.r", LayoutStep.PermuteRows(2, 0, 1)),
        KeyMapRow.Omit("layers.{l}.inv_freq"));

    private static Dictionary<string, Tensor> Published()
    {
        LibTorch.EnsureLoaded();
        return new()
        {
            ["backbone.layers.11.norm1.weight"] = ones(2),
            ["h.0.Wqkv.weight"] = arange(12).reshape(6, 2),
            ["gate.3"] = ones(1, 2),
            ["up.3"] = zeros(2, 2),
            ["t"] = arange(6).reshape(2, 3),
            ["r"] = arange(3),
            ["stranger"] = ones(1),
        };
    }

    [Fact]
    public void Ours_back_to_published_is_the_beginning()
    {
        using var scope = NewDisposeScope();
        var published = Published();
        var back = Map.ToPublished(Map.ToOurs(published));
        Assert.Equal(published.Keys.Order(StringComparer.Ordinal), back.Keys.Order(StringComparer.Ordinal));
        Assert.All(published, pair => Assert.True(pair.Value.IsSame(back[pair.Key]), pair.Key));
    }

    [Fact]
    public void A_derived_tensor_is_left_out_of_ours_and_made_for_the_published_layout()
    {
        LibTorch.EnsureLoaded();
        using var scope = NewDisposeScope();
        var map = new KeyMap(KeyMapRow.Derive("a.inv_freq", () => arange(2)), KeyMapRow.Rename("b", "ours.b"));

        Assert.Equal(["ours.b"], map.ToOurs(new Dictionary<string, Tensor> { ["a.inv_freq"] = ones(2), ["b"] = ones(1) }).Keys);
        var published = map.ToPublished(new Dictionary<string, Tensor> { ["ours.b"] = ones(1) });
        Assert.Equal(["a.inv_freq", "b"], published.Keys.Order(StringComparer.Ordinal));
        Assert.Equal([0L, 1], published["a.inv_freq"].data<long>().ToArray());
        Assert.Contains("layers.{l}", Assert.Throws<ArgumentException>(() => KeyMapRow.Derive("layers.{l}.x", () => ones(1))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Each_row_does_what_it_says()
    {
        using var scope = NewDisposeScope();
        var published = Published();
        published["layers.0.inv_freq"] = ones(1);
        var ours = Map.ToOurs(published);
        Assert.Equal(
            ["layers.1.k.weight", "layers.1.q.weight", "layers.1.v.weight", "layers.11.norm1.weight", "mlp.3.both", "ours.r", "ours.t", "stranger"],
            ours.Keys.Order(StringComparer.Ordinal));
        Assert.Equal([4L, 5, 6, 7], ours["layers.1.k.weight"].data<long>().ToArray());
        Assert.Equal([3L, 2], ours["mlp.3.both"].shape);
        Assert.Equal([3L, 2], ours["ours.t"].shape);
        Assert.Equal([2L, 0, 1], ours["ours.r"].data<long>().ToArray());
    }

    [Fact]
    public void A_row_that_finds_only_some_of_its_tensors_names_the_others()
    {
        using var scope = NewDisposeScope();
        var published = Published();
        _ = published.Remove("up.3");
        Assert.Equal(["up.3"], Assert.Throws<CheckpointMismatchException>(() => Map.ToOurs(published)).Missing);
    }

    [Fact]
    public void Two_tensors_never_take_one_name()
    {
        using var scope = NewDisposeScope();
        var published = Published();
        published["ours.t"] = ones(1);
        Assert.Contains("ours.t", Assert.Throws<ArgumentException>(() => Map.ToOurs(published)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_clash_leaves_no_tensor_behind()
    {
        using var scope = NewDisposeScope();
        var derived = new KeyMap(KeyMapRow.Derive("a.inv_freq", () => arange(2)), KeyMapRow.Rename("b", "ours.b"));
        var split = new KeyMap(KeyMapRow.Split("qkv", ["q", "k", "v"]));
        var ours = new Dictionary<string, Tensor> { ["ours.b"] = ones(1), ["a.inv_freq"] = ones(2) };
        var published = new Dictionary<string, Tensor> { ["q"] = ones(1), ["qkv"] = ones(3, 1) };

        LiveTensors.Unchanged("derived", () => Assert.Throws<ArgumentException>(() => derived.ToPublished(ours)));
        LiveTensors.Unchanged("split", () => Assert.Throws<ArgumentException>(() => split.ToOurs(published)));
    }

    [Fact]
    public void An_order_that_is_no_permutation_is_refused() =>
        Assert.Throws<ArgumentException>(() => LayoutStep.PermuteRows(0, 2, 0));
}
