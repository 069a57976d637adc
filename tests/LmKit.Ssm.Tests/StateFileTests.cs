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
            OwnProcess.Run(GoOn, [folder]);
            using var reader = new SafetensorsReader(Path.Combine(folder, "logits.safetensors"));

            Close.Check("logits", model.call(Tokens().narrow(1, 7, 1), new SequenceContext(state)), reader.Read("next"));
            Close.Check("more logits", model.call(Tokens().narrow(1, 8, 4), new SequenceContext(state)), reader.Read("more"), absolute: 1e-12);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void A_file_that_holds_no_state_is_refused()
    {
        var path = Path.GetTempFileName();
        try
        {
            using var scope = NewDisposeScope();
            SafetensorsWriter.Save(path, new Dictionary<string, Tensor> { ["x"] = zeros(1) });
            using var model = Hybrid();
            using var state = model.NewState(1);

            Assert.Contains("position", Assert.Throws<ArgumentException>(() => StateFile.Restore(path, state)).Message, StringComparison.Ordinal);
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
