using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Ssm.Tests;

[NoTensorLeak]
public sealed class H3FolderTests
{
    [Fact]
    public void A_half_precision_model_keeps_its_state_space_parameters_in_float32_through_its_folder()
    {
        var folder = Directory.CreateTempSubdirectory("lmkit-h3-").FullName;
        try
        {
            var model = Path.Combine(folder, "model");
            using var saved = new LanguageModelBuilder { VocabSize = 16, ModelDim = 8, LayerCount = 1, Dtype = ScalarType.BFloat16 }
                .AddH3(h3 => h3.StateDim = 8).Build();
            saved.Save(model);
            using var same = LanguageModel.Load(model, kinds => kinds.AddSsm());
            using var asked = LanguageModel.Load(model, kinds => kinds.AddSsm(), dtype: ScalarType.BFloat16);
            Assert.Equal(2, saved.parameters().Select(parameter => parameter.dtype).Distinct().Count());
            foreach (var (name, parameter) in saved.named_parameters())
            {
                Assert.True(parameter.dtype == same.get_parameter(name)!.dtype && parameter.Equals(same.get_parameter(name)!), name);
                Assert.Equal(parameter.dtype, asked.get_parameter(name)!.dtype);
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
