using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

public sealed class CheckpointLeakTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Saving_loading_mapping_and_reading_windows_leave_no_tensor_behind()
    {
        LibTorch.EnsureLoaded();
        using var model = nn.Sequential(("linear", nn.Linear(3, 3)));
        using var data = TokenDataset.Create([new("x", "some text to cut")], ModelTokenizer.Bytes, folder["tokens.bin"]);
        var windows = new RandomWindows(data, 4, 2, seed: 1);
        var map = new KeyMap(KeyMapRow.Rename("w", "linear.weight", LayoutStep.Transpose), KeyMapRow.Rename("b", "linear.bias", LayoutStep.PermuteRows(1, 2, 0)));
        Work();
        GC.Collect(); // what earlier tests left to the finalizer must not be counted as ours
        GC.WaitForPendingFinalizers();
        var before = Tensor.TotalCount;
        for (var round = 0; round < 100; round++)
            Work();
        Assert.Equal(before, Tensor.TotalCount);

        void Work()
        {
            var published = map.ToPublished(model.state_dict());
            SafetensorsWriter.Save(folder["p"], published);
            foreach (var tensor in published.Values)
                tensor.Dispose();
            CheckpointLoader.Load(model, folder["p"], map);
            SafetensorsWriter.Save(folder["m"], model.state_dict());
            CheckpointLoader.Load(model, folder["m"]);
            windows.Next().Dispose();
            foreach (var batch in EvaluationWindows.Read(data, 4, 2))
                batch.Dispose();
        }
    }
}
