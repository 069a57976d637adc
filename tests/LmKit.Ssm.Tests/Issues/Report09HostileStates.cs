using System.Runtime.CompilerServices;
using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Ssm.Tests.Issues;

[NoTensorLeak]
public class Report09HostileStates
{
    [Fact]
    public void A_state_that_was_found_and_one_of_another_model_are_refused_by_name()
    {
        using var scope = NewDisposeScope();
        using var model = new LanguageModelBuilder { VocabSize = 7, ModelDim = 4, LayerCount = 1 }.AddH3().Build();
        using var state = model.NewState(2);
        var path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        try
        {
            Refused(Hostile("mixer-state-wrong-BadImageFormatException-486-s.safetensors"), state);
            SafetensorsWriter.Save(path, new Dictionary<string, Tensor> { ["x"] = ones(3) }, new Dictionary<string, string> { ["position"] = "3" });
            Refused(path, state);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void What_is_no_file_is_neither_a_state_nor_a_checkpoint()
    {
        using var model = new LanguageModelBuilder { VocabSize = 7, ModelDim = 4, LayerCount = 1 }.AddH3().Build();
        using var state = model.NewState(2);
        var folder = Path.GetTempPath();
        Assert.Contains(folder, Assert.Throws<SafetensorsException>(() => StateFile.Restore(folder, state)).Message, StringComparison.Ordinal);
        Assert.Contains(folder, Assert.Throws<SafetensorsException>(() => H3Checkpoint.Open(folder)).Message, StringComparison.Ordinal);
        Assert.Throws<FileNotFoundException>(() => H3Checkpoint.Open(Path.Combine(folder, "no-such.safetensors")));
    }

    private static void Refused(string path, MixerState state) =>
        Assert.Contains(path, Assert.Throws<ArgumentException>(() => StateFile.Restore(path, state)).Message, StringComparison.Ordinal);

    private static string Hostile(string name, [CallerFilePath] string here = "") => Path.Combine(Path.GetDirectoryName(here)!, "..", "Hostile", name);
}
