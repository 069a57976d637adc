using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Composition.Tests;

/// <summary>Tasks of other packages do not train a merged model either.</summary>
public class MergedStudentTests
{
    [Fact]
    public void A_distillation_of_a_merged_model_says_to_unmerge_first()
    {
        var builder = new LanguageModelBuilder { VocabSize = 11, ModelDim = 8, LayerCount = 1 };
        builder.Options.IsBidirectional = true;
        builder.AddAttention(attention => attention.HeadCount = 2).UseLora(lora => lora.Rank = 2);
        using var student = builder.Build();
        using var teacher = builder.Build();
        LoraAdapters.Merge(student);

        using var task = new SdttTask(student, new LanguageModelDenoiser(student, 10), teacher, new LanguageModelDenoiser(teacher, 10), (count, _) => zeros(count, 4, ScalarType.Int64));
        var error = Assert.Throws<InvalidOperationException>(() => new Trainer(task));

        Assert.Contains("LoraAdapters.Unmerge", error.Message, StringComparison.Ordinal);
    }
}
